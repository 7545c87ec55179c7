// What `sessions show` says about evidence that takes hours to come about; real faults are in test/integration.
import { expect, it } from 'vitest';
import { diagnose } from '../../../src/cli/sessions/diagnose.ts';
import type { Evidence, PendingActivity } from '../../../src/cli/sessions/evidence.ts';
import { CREDENTIAL_REFUSED } from '../../../workflows/contract.ts';
import type { SessionStatus } from '../../../workflows/messages.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const MINUTE = 60_000;
const ago = (ms: number) => new Date(NOW - ms).toISOString();

type Details = NonNullable<SessionStatus['details']>;

function status(more: Partial<SessionStatus> = {}, details: Partial<Details> = {}): SessionStatus {
  return {
    phase: 'working',
    sandboxId: 'i1',
    workId: 'work_1',
    openCalls: [],
    attention: [],
    turns: 1,
    callsDone: 0,
    retainUntil: ago(-MINUTE),
    ...more,
    details: {
      environmentId: 'env_1',
      turn: { state: 'running', reason: 'model', since: ago(5 * MINUTE) },
      sandbox: { ready: true },
      graceMs: 30_000,
      orphanedCalls: [],
      lastCalls: [],
      ...details,
    },
  };
}

function evidence(more: Partial<Evidence> = {}): Evidence {
  return {
    sessionId: 'sesn_1',
    workflowId: 'session-sesn_1',
    taskQueue: 'managed-agents-router',
    now: NOW,
    run: {
      id: 'run-1',
      status: 'running',
      startedAt: NOW - 60 * MINUTE,
      closedAt: null,
      reason: null,
      events: 50,
      buildId: null,
      lastEventAt: NOW - 5 * MINUTE,
    },
    status: status(),
    keyMissing: false,
    statusMissing: null,
    attributes: { phase: 'working', environmentId: 'env_1', sandboxId: 'i1' },
    activities: [],
    workflowTask: null,
    taskFailure: null,
    slotAskedAt: null,
    pollers: [{ identity: '1@host', lastSeenAt: NOW - 1_000, buildId: null }],
    environment: { id: 'env_1', running: true, drainedSince: null, failure: null },
    ...more,
  };
}

const activity = (name: string, more: Partial<PendingActivity> = {}): PendingActivity => ({
  name,
  state: 'running',
  attempt: 1,
  since: NOW - 10 * MINUTE,
  startedAt: NOW - 10 * MINUTE,
  nextAttemptAt: null,
  lastFailure: null,
  worker: '1@host',
  ...more,
});
const gone = [{ identity: '1@host', lastSeenAt: NOW - 10 * MINUTE, buildId: null }];
const running = { id: 'sevt_1', name: 'bash', state: 'running', preview: 'make', since: ago(MINUTE) };

it.each<[string, Partial<Evidence>, number]>([
  ['model', {}, 5],
  ['long call', { status: status({ openCalls: [running] }), activities: [activity('runToolCall')] }, 10],
  [
    'no worker',
    { pollers: gone, workflowTask: { state: 'waiting', attempt: 1, since: NOW - 7 * MINUTE } },
    7,
  ],
  ['no worker', { pollers: [], activities: [activity('watchSession', { state: 'waiting' })] }, 10],
  // Its poll is not over yet, and it is dead: nothing takes the task.
  ['no worker', { workflowTask: { state: 'waiting', attempt: 1, since: NOW - 20_000 } }, 1 / 3],
  // A worker that runs a long call polls all the while.
  ['model', { activities: [activity('watchSession')] }, 5],
  [
    'service fails',
    {
      activities: [
        activity('inspectSession', { attempt: 9, lastFailure: { type: 'retry', message: '503 overloaded' } }),
      ],
    },
    10,
  ],
  [
    'environment key refused',
    {
      status: status({ phase: 'waking', workId: null }),
      environment: {
        id: 'env_1',
        running: true,
        drainedSince: null,
        failure: { type: CREDENTIAL_REFUSED, message: '401', since: NOW - 3 * MINUTE },
      },
    },
    3,
  ],
  ['paused by a person', { status: status({}, { paused: { by: 'ann@host', at: ago(4 * MINUTE) } }) }, 4],
  [
    'environment drained',
    {
      status: status({ phase: 'waking', workId: null }),
      environment: { id: 'env_1', running: true, drainedSince: ago(9 * MINUTE), failure: null },
    },
    9,
  ],
  [
    'orphaned call',
    {
      status: status(
        { workId: null, openCalls: [{ ...running, state: 'open' }] },
        { orphanedCalls: ['sevt_1'] },
      ),
    },
    5,
  ],
  [
    'waits for a client',
    {
      status: status(
        { phase: 'waiting' },
        { turn: { state: 'waiting', reason: 'requires_action', since: ago(MINUTE) } },
      ),
    },
    1,
  ],
  ['unknown', { status: null, statusMissing: 'its history was written by another build' }, 5],
  [
    'attention: memory',
    {
      status: status(
        {
          phase: 'paused',
          workId: null,
          attention: [{ cause: 'memory', what: 'Memory could not be synced', since: ago(2 * MINUTE) }],
        },
        { turn: { state: 'idle', reason: 'end_turn', since: ago(MINUTE) }, sandbox: { ready: false } },
      ),
    },
    2,
  ],
])('%s', (kind, seen, minutes) => {
  const found = diagnose(evidence(seen));
  expect(found).toMatchObject({ kind, since: NOW - minutes * MINUTE });
  expect(found.cure).not.toBe('');
});

it('at rest a missing worker is no trouble yet, and is named', () => {
  const rested = status(
    { phase: 'paused', workId: null },
    { turn: { state: 'idle', reason: 'end_turn', since: ago(MINUTE) }, sandbox: { ready: false } },
  );
  expect(diagnose(evidence({ status: rested, pollers: [] }))).toMatchObject({
    kind: 'paused',
    trouble: false,
    waitingFor: expect.stringContaining('no worker'),
  });
});

it.each([
  ['archived', 'Start a new session'],
  ['unused past its retention', 'next message'],
])('an ended session says why: %s', (reason, cure) => {
  const run = { ...evidence().run, status: 'completed' as const, reason, closedAt: NOW - MINUTE };
  const found = diagnose(evidence({ run }));
  expect(found).toMatchObject({ kind: 'ended', since: NOW - MINUTE });
  expect(found.waitingFor).toContain(reason);
  expect(found.cure).toContain(cure);
});
