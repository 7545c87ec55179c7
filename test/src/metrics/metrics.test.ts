import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  codeLabel,
  registries,
  resultsWaiting,
  sandboxCounts,
  toolLabel,
  waitingResults,
} from '../../../src/metrics/metrics.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

const sandboxes = () => registries.worker.getSingleMetricAsString('managed_agents_router_sandboxes');

describe('labels', () => {
  it('a tool that the model has made up is counted as other', () => {
    expect(['bash', 'grep', 'constructor', 'x'.repeat(10_000)].map(toolLabel)).toEqual([
      'bash',
      'grep',
      'other',
      'other',
    ]);
  });

  it('a sandbox cannot make more series than there are status codes', () => {
    const labels = new Set(Array.from({ length: 1000 }, (_, code) => codeLabel(code)));
    expect(labels.size).toBeLessThan(70);
    expect([codeLabel(200), codeLabel(999)]).toEqual(['200', 'other']);
  });
});

it('sandboxes that this worker no longer counts vanish', async () => {
  sandboxCounts.set('env_1', { running: 3, paused: 4 }, 60_000);
  expect(await sandboxes()).toContain('{environment="env_1",state="running"} 3');
  vi.advanceTimersByTime(60_001);
  expect(await sandboxes()).not.toContain('env_1');
});

it('a result that another worker has posted meanwhile does not count as waiting for ever', async () => {
  const count = async () => (await resultsWaiting.get()).values[0]?.value;
  waitingResults.set('sevt_1', true, 1000);
  waitingResults.set('sevt_2', true, 3000);
  waitingResults.set('sevt_1', true, 1000);
  expect(await count()).toBe(2);
  vi.advanceTimersByTime(1001);
  expect(await count()).toBe(1);
  waitingResults.delete('sevt_2');
  expect(await count()).toBe(0);
});

it.each(['401', '403'])('a single %s is an increase: its series begins at zero', async (code) => {
  const text = await registries.worker.metrics();
  for (const service of ['anthropic', 'e2b'])
    expect(text).toContain(`service_requests_total{service="${service}",code="${code}"} 0`);
});
