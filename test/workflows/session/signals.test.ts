// Messages to a session's workflow as they come in practice: twice, late, in another order, and from strangers.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { type History, taskFailureOf } from '../../../src/cli/sessions/history.ts';
import { call, type SessionWorld, startSessionWorld } from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

it('does what a message asks for once, however often it comes', async () => {
  const session = world.session();
  for (let n = 0; n < 3; n += 1) await session.webhookReceived('whe_1');
  for (let n = 0; n < 3; n += 1) await session.claimed('work_1');
  for (let n = 0; n < 3; n += 1) await session.opened(call('sevt_1'), call('sevt_2'));
  await until('both calls are answered', async () => (await session.status()).callsDone === 2);
  // Late ones, of what is over.
  await session.opened(call('sevt_1'));
  await session.interrupted({ eventId: 'sevt_3', callIds: ['sevt_2'], why: 'interrupted' });
  await session.webhookReceived('whe_1');
  await session.claimed('work_1');
  await session.opened(call('sevt_4'));
  await until('the new call is answered', async () => (await session.status()).callsDone === 3);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_1', 'sevt_2', 'sevt_4']);
  expect(session.names().filter((name) => name === 'claimWork').length).toBeLessThanOrEqual(1);
  expect(session.names().filter((name) => name === 'watchSession')).toHaveLength(1);
  expect(session.names().filter((name) => name === 'prepareSandbox')).toHaveLength(1);
  expect(session.names()).not.toContain('cancelToolCall');
  expect(await session.status()).toMatchObject({ openCalls: [], attention: [], turns: 1 });
});

it('takes messages in the reverse of their order', async () => {
  const session = world.session({
    claimWork: (_args, it) => it.claimed('work_1').then(() => ({ claimed: 1 })),
  });
  await session.webhookReceived();
  // The end of an earlier turn, told after the calls of this one.
  await session.opened(call('sevt_2'));
  await session.idle();
  await session.changed({ eventId: 'sevt_1', change: 'running' });
  await until('the call is answered', async () => (await session.status()).callsDone === 1);
  await session.untilPhase('working');
  expect(session.names()).not.toContain('stopWork');
});

it('acts on a call that was told before its work item', async () => {
  const session = world.session();
  await session.webhookReceived();
  await session.opened(call('sevt_1'));
  await session.claimed('work_1');
  await until('the call is answered', async () => (await session.status()).callsDone === 1);
  expect(session.argsOf('watchSession')).toMatchObject([{ workId: 'work_1' }]);
});

it('ends once for ends told in several ways, and late messages find nobody', async () => {
  const session = world.session();
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  const ends = ['terminated', 'deleted', 'terminated'] as const;
  await Promise.allSettled(ends.map((change, n) => session.changed({ eventId: `sevt_${n}`, change })));
  expect(['terminated', 'deleted']).toContain(await session.handle.result());
  expect(session.names().filter((name) => name === 'killSandboxes')).toHaveLength(1);
  await expect(session.opened(call('sevt_9'))).rejects.toThrow(/not found|already completed/i);
});

const MALFORMED: [signal: string, message: unknown][] = [
  ...['webhookReceived', 'workClaimed', 'toolCallsRequested', 'interrupted', 'sessionChanged'].flatMap(
    (signal) =>
      [null, undefined, 7, 'text', [], {}, { eventId: {} }, { calls: {} }, deep(500)].map(
        (message): [string, unknown] => [signal, message],
      ),
  ),
  ['webhookReceived', { eventId: 'x'.repeat(100_000), type: 'session.status_run_started' }],
  ['workClaimed', { workId: ['work_9'], sealedSecret: null }],
  ['workClaimed', { workId: 'work_9', sealedSecret: { not: 'a text' } }],
  ['toolCallsRequested', { calls: [null] }],
  ['toolCallsRequested', { calls: [{ id: 'sevt_9', name: 'bash' }] }],
  ['toolCallsRequested', { calls: [{ id: 'sevt_9', name: 'bash', preview: 'x'.repeat(100_000) }] }],
  ['toolCallsRequested', { calls: [{ id: '__proto__', name: 7, preview: 'x' }] }],
  ['interrupted', { eventId: 'sevt_9', callIds: 'sevt_1', why: 'interrupted' }],
  ['interrupted', { eventId: 'sevt_9', callIds: [{}], why: 'interrupted' }],
  ['sessionChanged', { eventId: 'sevt_9', change: 'exploded' }],
  ['sessionChanged', { eventId: 'sevt_9', change: 'idle', reason: { type: 'end_turn' } }],
];
/** The names with this prefix are Temporal's own. */
const UNKNOWN = ['neverHeardOf', 'x'.repeat(300), '__temporal_selfDestruct', '__stack_trace'];

it('survives malformed and unknown signals, names the last malformed one, and goes on', async () => {
  const session = world.session();
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  for (const [signal, message] of MALFORMED) await session.handle.signal(signal, message);
  for (const signal of UNKNOWN) await session.handle.signal(signal, { now: true });
  await session.opened(call('sevt_1'));
  await until('the call is answered', async () => (await session.status()).callsDone === 1);
  expect(await session.status()).toMatchObject({
    phase: 'working',
    workId: 'work_1',
    attention: [{ cause: 'messages', what: expect.stringContaining('sessionChanged') }],
  });
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_1']);
  expect(await taskFailures(session.handle)).toEqual([]);
  await session.idle();
  await until('the note is gone with the turn', async () => (await session.status()).attention.length === 0);
});

async function taskFailures(handle: { fetchHistory(): Promise<History> }) {
  const { events } = await handle.fetchHistory();
  return (events ?? []).filter(taskFailureOf);
}

function deep(levels: number): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

it('shows which events the watch skipped', async () => {
  const skippedEvents = { 'session.teleported': 3 };
  const session = world.session({}, { graceMs: 0 });
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  await session.changed({ eventId: 'sevt_1', change: 'idle', reason: 'end_turn', skippedEvents });
  await session.untilPhase('paused');
  expect(await session.status()).toMatchObject({ skippedEvents, malformedSignals: 0 });
  const { currentDetails } = await session.handle.query<{ currentDetails: string }>(
    '__temporal_workflow_metadata',
  );
  expect(currentDetails).toContain('events skipped: 3 × `session.teleported`');
});
