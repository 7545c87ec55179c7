// The status of a session without a worker, from its history alone.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replayStatus } from '../../src/status-replay.ts';
import { call, type SessionWorld, startSessionWorld, untilCancelled } from '../workflows/session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world?.close());

it('is what the query answers, in every state that a session goes through', async () => {
  const session = world.session({
    runToolCall: async () => {
      await untilCancelled();
      return { outcome: 'done' };
    },
  });
  const expectSame = async () => {
    const [answered, history] = await Promise.all([session.status(), session.handle.fetchHistory()]);
    expect(await replayStatus(history, session.handle.workflowId)).toEqual(answered);
  };
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  await expectSame();
  await session.opened(call('a'), call('b', { awaitingApproval: true }));
  await session.untilCalled('runToolCall');
  await expectSame();
  expect((await session.status()).details?.turn.state).toBe('running');
  await session.interrupted({ eventId: 'sevt_1', callIds: ['a', 'b'], why: 'interrupted' });
  await session.idle();
  await session.untilPhase('idle');
  await expectSame();
  expect((await session.status()).details?.lastCalls).not.toEqual([]);
});

it('is refused for a history of other workflows', async () => {
  const session = world.session();
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  const history = await session.handle.fetchHistory();
  for (const event of history.events ?? []) {
    const type = event.activityTaskScheduledEventAttributes?.activityType;
    if (type?.name === 'prepareSandbox') type.name = 'somethingElse';
  }
  await expect(replayStatus(history, session.handle.workflowId)).rejects.toThrow(/[Nn]ondeterminism/);
});
