// What `environments show` asks a person to do.
import { expect, it } from 'vitest';
import { needsAttention } from '../../../src/cli/environments/needs-attention.ts';
import type { EnvironmentReport } from '../../../src/cli/environments/report.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();
const inOrder: EnvironmentReport = {
  environmentId: 'env_1',
  running: true,
  drainedSince: null,
  queue: { depth: 1, pending: 0, oldestQueuedAt: ago(5), workersPolling: 2 },
  watch: { state: 'polling', since: ago(900), lastHeartbeatAt: ago(4), failure: null },
  workers: { polling: 2, lastSeenAt: ago(1) },
  lastReconcile: { at: ago(100), findings: ['paused sandbox x: session y is idle'], failure: null },
  sessions: { running: 10, needAttention: 0 },
};

it.each<[string, Partial<EnvironmentReport>, RegExp[]]>([
  ['all is in order', {}, []],
  ['no key is set', { queue: { unknown: 'the key of the environment is not set (X)' } }, []],
  ['no worker runs', { workers: { polling: 0, lastSeenAt: ago(500) } }, [/^No worker .* start one with/]],
  ['the workflow has ended', { running: false }, [/^The workflow of the environment has ended/]],
  [
    'the key is refused',
    {
      watch: { ...inOrder.watch, state: 'retrying', failure: 'credential refused' },
      queue: { unknown: 'Anthropic refuses the key of the environment (X)' },
    },
    [/^The queue cannot be watched: credential refused$/, /^The queue cannot be read: Anthropic refuses/],
  ],
  ['the watch is silent', { watch: { ...inOrder.watch, lastHeartbeatAt: ago(300) } }, [/silent for 5 min/]],
  [
    'work waits',
    { queue: { depth: 3, pending: 1, oldestQueuedAt: ago(240), workersPolling: 0 } },
    [/^Work has waited for 4 min \(3 in the queue, 1 handed out\)/],
  ],
  [
    'the reconcile fails',
    { lastReconcile: { at: ago(1), findings: [], failure: 'E2B is away' } },
    [/^The last reconcile failed: E2B is away$/],
  ],
  [
    'sessions need a person',
    { sessions: { running: 3, needAttention: 1 } },
    [/^One session needs a person: managed-agents-router sessions list --attention --environment env_1$/],
  ],
])('%s', (_what, change, expected) => {
  const found = needsAttention({ ...inOrder, ...change }, NOW);
  expect(found).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) expect(found[index]).toMatch(pattern);
});
