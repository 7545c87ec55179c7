// Gauges of the whole deployment when a service does not answer.
import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { createAnthropic } from '../../../src/clients/anthropic.ts';
import { createFleetReader } from '../../../src/metrics/fleet.ts';
import { registries } from '../../../src/metrics/metrics.ts';
import { namesOf } from '../../../workflows/messages.ts';
import { testDeps } from '../../activities/deps.ts';

afterEach(() => void vi.useRealTimers());

function reader(count: () => Promise<{ count: number }>) {
  const temporal = {
    withDeadline: (_deadline: number, run: () => unknown) => run(),
    workflow: { count },
  } as unknown as Client;
  // Port 9 refuses connections.
  const { environment } = createAnthropic(testDeps({}).config);
  return createFleetReader({
    temporal,
    names: namesOf(),
    environments: new Map([['env_1', environment]]),
    log: pino({ level: 'silent' }),
  });
}
const metrics = () => registries.worker.metrics();

it('one service that does not answer hides nothing of the other; its old values vanish', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  let fails = false;
  const refresh = reader(async () => {
    if (fails) throw new Error('unavailable');
    return { count: 7 };
  });
  await refresh();
  expect(await metrics()).toContain('sessions{phase="idle"} 7');
  expect(await metrics()).not.toContain('queue_depth{');
  fails = true;
  vi.advanceTimersByTime(15_000);
  await refresh();
  expect(await metrics()).not.toContain('sessions{');
});

it('many scrapes cause one reading, and none waits for more than two seconds', async () => {
  let asked = 0;
  const refresh = reader(() => {
    asked += 1;
    return new Promise(() => undefined);
  });
  await Promise.all(Array.from({ length: 100 }, () => refresh()));
  const first = asked;
  await refresh();
  expect(asked).toBe(first);
});
