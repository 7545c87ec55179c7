// The owner's hook as a session's workflow calls it: each approval and each cause once, beside the session's work.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { raise, settle } from '../../../workflows/attention.ts';
import { webhookReceivedSignal } from '../../../workflows/messages.ts';
import { recordCallsRequested } from '../../../workflows/session/calls.ts';
import { isCurrent, isMessageDue, takeMessage } from '../../../workflows/session/hook.ts';
import type { SessionState } from '../../../workflows/session/state.ts';
import {
  call,
  type Session,
  type SessionWorld,
  startSessionWorld,
  untilCancelled,
} from '../session-world.ts';
import { NOW, waiting, working } from './session-states.ts';

const HOUR = 3_600_000;
let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const withHook = (state: SessionState): SessionState => {
  state.start = { ...state.start, settings: { ...state.start.settings, hook: true } };
  return state;
};
const take = (state: SessionState, now = NOW) => takeMessage(state, 'session-sesn_1', now);
const asking = (id: string) => call(id, { awaitingApproval: true });
const messages = (session: Session) => session.argsOf('callHook').map(({ message }) => message);

it('announces a call that waits for approval once, with no more than its preview', () => {
  const state = withHook(waiting());
  state.agentId = 'agent_1';
  expect(take(state)).toEqual({
    id: 'sesn_1-approval-a',
    timestamp: '2026-01-01T00:00:00.000Z',
    type: 'session.approval_required',
    data: {
      session_id: 'sesn_1',
      environment_id: 'env_1',
      agent_id: 'agent_1',
      workflow_id: 'session-sesn_1',
      calls: [{ id: 'a', name: 'bash', preview: 'echo a', since: '2026-01-01T00:00:00.000Z' }],
    },
  });
  expect(isMessageDue(state)).toBe(false);
  expect(take(state)).toBeUndefined();
});

it('announces hundreds of calls in messages of twenty, and none that needs no approval', () => {
  const state = withHook(working());
  recordCallsRequested(
    state,
    [call('free'), ...Array.from({ length: 45 }, (_, at) => asking(`c${at}`))],
    NOW,
  );
  const sizes: number[] = [];
  for (let message = take(state); message; message = take(state))
    if (message.type === 'session.approval_required') sizes.push(message.data.calls.length);
  expect(sizes).toEqual([20, 20, 5]);
});

it('announces a cause once, also if it comes back within an hour, and again after that', () => {
  const state = withHook(working());
  raise(state, 'memory', 'the store is away', NOW);
  expect(take(state)).toMatchObject({
    id: `sesn_1-memory-${NOW}`,
    type: 'session.attention',
    data: { cause: 'memory', what: 'the store is away', since: '2026-01-01T00:00:00.000Z' },
  });
  raise(state, 'memory', 'newer words', NOW + 1_000);
  expect(take(state, NOW + 1_000)).toBeUndefined();
  settle(state, 'memory');
  raise(state, 'memory', 'away again', NOW + HOUR);
  expect(take(state, NOW + HOUR)).toBeUndefined();
  settle(state, 'memory');
  raise(state, 'memory', 'away again', NOW + HOUR + 1);
  expect(take(state, NOW + HOUR + 1)).toMatchObject({ id: `sesn_1-memory-${NOW + HOUR + 1}` });
});

it('announces nothing without the setting, after the end, or about the hook itself', () => {
  expect(isMessageDue(waiting())).toBe(false);
  expect(isMessageDue(withHook({ ...waiting(), end: 'archived' }))).toBe(false);
  const state = withHook(working());
  raise(state, 'hook', 'it does not answer', NOW);
  expect(isMessageDue(state)).toBe(false);
});

it('knows when a message is out of date', () => {
  const state = withHook(waiting());
  raise(state, 'pause', 'x', NOW);
  const approval = take(state);
  const attention = take(state);
  if (!approval || !attention) throw new Error('two messages were due');
  expect([isCurrent(state, approval), isCurrent(state, attention)]).toEqual([true, true]);
  recordCallsRequested(state, [call('a')], NOW);
  settle(state, 'pause');
  expect([isCurrent(state, approval), isCurrent(state, attention)]).toEqual([false, false]);
});

it('a hook that does not answer delays no call, and is left alone once the approval is given', async () => {
  let ended = 0;
  const session = world.session(
    {
      callHook: async () => {
        await untilCancelled();
        ended += 1;
      },
    },
    { hook: true },
  );
  await session.claimed('work_1');
  await session.opened(asking('sevt_1'));
  await session.untilCalled('callHook');
  await session.opened(call('sevt_2'));
  await until('another call is answered meanwhile', async () => (await session.status()).callsDone === 1);
  expect(ended).toBe(0);
  await session.opened(call('sevt_1'));
  await until('the approved call is answered', async () => (await session.status()).callsDone === 2);
  await until('the hook is no longer called', async () => ended > 0);
  await session.idle();
  await session.untilPhase('idle');
  expect(messages(session)).toHaveLength(1);
  expect((await session.status()).attention).toEqual([]);
});

it('a hook that is gone becomes attention, and the next message tries it again', async () => {
  let gone = true;
  const session = world.session(
    {
      callHook: async () => {
        if (gone) throw ApplicationFailure.nonRetryable('HOOK_URL answers 410', 'final');
      },
    },
    { hook: true },
  );
  const causes = async () => (await session.status()).attention.map(({ cause }) => cause);
  await session.claimed('work_1');
  await session.opened(asking('sevt_1'));
  await until('it is attention', async () => (await causes()).includes('hook'));
  gone = false;
  await session.opened(asking('sevt_2'));
  await until('it is no longer', async () => (await causes()).length === 0);
  expect(messages(session).map(({ id }) => id)).toEqual([
    `${session.id}-approval-sevt_1`,
    `${session.id}-approval-sevt_2`,
  ]);
});

it('a message on its way is sent again by the next run, under its id; a crowd of retries leaves one event', {
  // A history that is long enough to be renewed takes a busy machine tens of seconds.
  timeout: 150_000,
}, async () => {
  let tries = 0;
  const session = world.session(
    {
      callHook: async () => {
        tries += 1;
        throw ApplicationFailure.create({ message: 'away', nextRetryDelay: '50ms' });
      },
    },
    { hook: true },
  );
  await session.claimed('work_1');
  await session.opened(asking('sevt_1'));
  await until('it was tried often', async () => tries > 10);
  const scheduled = async () =>
    (await session.handle.fetchHistory()).events?.filter(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'callHook',
    ).length;
  expect(await scheduled()).toBe(1);
  const { runId } = await session.handle.describe();
  const wake = (at: number) =>
    session.handle.signal(webhookReceivedSignal, { eventId: `whe_${at}`, type: 'session.status_idled' });
  await Promise.all(Array.from({ length: 900 }, (_, at) => wake(at)));
  await until('a new run', async () => (await session.handle.describe()).runId !== runId, 120_000);
  await until('the new run sends it', async () => (await scheduled()) === 1);
  expect(new Set(messages(session).map(({ id }) => id))).toEqual(new Set([`${session.id}-approval-sevt_1`]));
});
