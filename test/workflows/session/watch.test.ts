// The watch over a session's events as the workflow sees it: recalled without a wait, replaced by a newer one, and given up
// while people have to act.
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import {
  type SessionChange,
  sessionChangedSignal,
  toolCallsClosedSignal,
  toolCallsRequestedSignal,
} from '../../../workflows/messages.ts';
import {
  call,
  type Session,
  type SessionWorld,
  startSessionWorld,
  watchUntilRecalled,
} from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

/** A watch that notices nothing, as if its worker heartbeated once in an hour. */
const deaf = () => Context.current().cancelled;
const lease = { lastHeartbeat: '2026-01-01T00:00:00.000001Z', ttlSeconds: 3 };
const waiting = { eventId: 'sevt_w', change: 'waiting', reason: 'an approval' } as const;

it.concurrent('a turn of 150 calls is renewed while its watch notices nothing', {
  timeout: 120_000,
}, async () => {
  const CALLS = 150;
  const ids = Array.from({ length: CALLS }, (_, n) => `sevt_${n}`);
  const session = world.session({
    watchSession: async (_args, it) => {
      if (it.argsOf('runToolCall').length === 0) await it.opened(call(ids[0] ?? ''));
      return deaf();
    },
    runToolCall: async (_args, it) => {
      const next = ids[it.argsOf('runToolCall').length];
      if (next) setTimeout(() => void it.opened(call(next)).catch(() => undefined), 5);
      return { outcome: 'done' };
    },
  });
  await session.claimed('work_1');
  const first = await session.handle.describe();
  await until('all calls are done', async () => (await session.status()).callsDone === CALLS, 100_000);
  const { events } = await world.client.workflow
    .getHandle(session.handle.workflowId, first.runId)
    .fetchHistory();
  const last = events?.at(-1);
  expect(last?.workflowExecutionContinuedAsNewEventAttributes).toBeTruthy();
  // The same workflow task recalls the watch and continues as new: the workflow waits for nothing in between.
  const recalled = events?.findLast((event) => event.activityTaskCancelRequestedEventAttributes);
  const task = last?.workflowExecutionContinuedAsNewEventAttributes?.workflowTaskCompletedEventId;
  expect(recalled?.activityTaskCancelRequestedEventAttributes?.workflowTaskCompletedEventId).toEqual(task);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(ids);
});

it.concurrent('rests although its watch notices nothing', async () => {
  const session = world.session({ watchSession: deaf }, { graceMs: 50 });
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  await session.idle();
  await session.untilCalled('stopWork');
  await session.untilPhase('paused');
  expect(session.argsOf('stopWork')).toMatchObject([{ workId: 'work_1' }]);
  // An end of the session that a dismissed watch reports is ignored.
  const watch = { since: session.argsOf('watchSession')[0]?.since ?? 0, attempt: 1 };
  await session.handle.signal(sessionChangedSignal, { eventId: 'sevt_9', change: 'terminated', watch });
  expect((await session.status()).phase).toBe('paused');
});

it.concurrent('ignores what an older watch, or an older attempt, still says', async () => {
  let watches = 0;
  const session = world.session({
    watchSession: async () => {
      watches += 1;
      return watches === 1 ? { why: 'superseded', lease: null } : deaf();
    },
  });
  await session.claimed('work_1');
  await session.untilCalled('watchSession', 2);
  const [older, newer] = session.argsOf('watchSession').map(({ since }) => since);
  expect(newer).toBeGreaterThan(older ?? 0);
  const from = (since = 0, attempt = 1) => ({ watch: { since, attempt } });
  await session.handle.signal(toolCallsRequestedSignal, { calls: [call('a')], ...from(newer, 2) });
  await until('the call is done', async () => (await session.status()).callsDone === 1);
  for (const stale of [from(older, 9), from(newer, 1)]) {
    await session.handle.signal(toolCallsRequestedSignal, {
      calls: [call('b', { awaitingApproval: true })],
      ...stale,
    });
    await session.handle.signal(sessionChangedSignal, {
      eventId: 'sevt_9',
      change: 'idle',
      reason: 'end_turn',
      ...stale,
    });
    const closed = { eventId: 'sevt_8', callIds: ['c'], why: 'interrupted' as const };
    await session.handle.signal(toolCallsClosedSignal, { ...closed, ...stale });
  }
  expect(await session.status()).toMatchObject({ phase: 'working', openCalls: [], malformedSignals: 0 });
  await session.handle.signal(sessionChangedSignal, { ...waiting, ...from(newer, 2) });
  await session.untilPhase('waiting');
});

const pendingOf = async (session: Session) => {
  const { raw } = await session.handle.describe();
  return raw.pendingActivities?.map(({ activityType }) => activityType?.name) ?? [];
};
/** A watch that ends because a person has to act; the ones after it go on. */
const endsQuiet = async (_args: unknown, it: Session) => {
  if (it.argsOf('watchSession').length > 1) return watchUntilRecalled();
  await it.opened(call('sevt_1', { awaitingApproval: true }));
  await it.changed(waiting);
  return { why: 'quiet' as const, seen: 'sevt_w', lease };
};

it.concurrent('holds no activity while a person decides; a webhook makes it watch again', async () => {
  const session = world.session({ watchSession: endsQuiet }, { graceMs: 50 });
  await session.claimed('work_1');
  await session.untilCalled('checkSession');
  await session.untilCalled('pauseSandbox');
  await until('nothing is under way', async () => (await pendingOf(session)).length === 0);
  expect(await session.status()).toMatchObject({ phase: 'waiting for approval', workId: 'work_1' });
  expect(session.argsOf('checkSession')[0]).toMatchObject({ seen: ['sevt_w'], lease });
  await session.webhookReceived();
  await session.untilCalled('watchSession', 2);
  expect(session.argsOf('watchSession')[1]).toMatchObject({ turn: 'waiting' });
  await session.opened(call('sevt_1'));
  await until('its call is answered', async () => (await session.status()).callsDone === 1);
});

it.concurrent('checks while its lease holds, and watches again when something has happened', async () => {
  const session = world.session({
    watchSession: endsQuiet,
    checkSession: async (_args, it) =>
      it.argsOf('checkSession').length < 3 ? { lease, moved: false } : { lease, moved: true, seen: 'sevt_2' },
  });
  await session.claimed('work_1');
  // No webhook comes.
  await session.untilCalled('watchSession', 2);
  expect(session.argsOf('checkSession')).toHaveLength(3);
  expect(session.argsOf('watchSession')[1]).toMatchObject({ lease });
});

it.concurrent.each(['lost', 'stopping'] as const)(
  'learns from a check that its lease is over: %s',
  async (why) => {
    const session = world.session({
      watchSession: endsQuiet,
      checkSession: async () => ({ why, lease: null, moved: false }),
    });
    await session.claimed('work_1');
    await session.untilCalled('checkSession');
    await until('the item is gone', async () => (await session.status()).workId === null);
    const stopped = session.argsOf('stopWork').map(({ workId }) => workId);
    expect(stopped).toEqual(why === 'stopping' ? ['work_1'] : []);
  },
);

it.concurrent('a watch reads on from the last turn that ended settled', async () => {
  const session = world.session({}, { graceMs: 50 });
  const end = { change: 'idle', reason: 'end_turn' } as const;
  const ends: SessionChange[] = [
    { ...end, eventId: 'sevt_1', settled: true },
    // With something open, what came before is needed again; the earlier end still holds.
    { ...end, eventId: 'sevt_2' },
    { ...end, eventId: 'sevt_3', settled: true },
  ];
  for (const [index, change] of ends.entries()) {
    await session.claimed(`work_${index}`);
    await session.untilCalled('watchSession', index + 1);
    await session.changed({ eventId: `sevt_running_${index}`, change: 'running' });
    await session.changed(change);
    await session.untilPhase('paused');
  }
  await session.claimed('work_9');
  await session.untilCalled('watchSession', ends.length + 1);
  const from = session.argsOf('watchSession').map(({ settledAt }) => settledAt);
  expect(from).toEqual([undefined, 'sevt_1', 'sevt_1', 'sevt_3']);
});
