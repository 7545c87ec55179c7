// Tool calls in a session's workflow: one at a time, never twice, over lost sandboxes, results that cannot be posted
// for a while, and interrupts.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { call, type Script, type Session, type SessionWorld, startSessionWorld } from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }], isError: false });

async function begin(script: Script): Promise<Session> {
  const session = world.session(script);
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  return session;
}

async function answered(session: Session, calls: number): Promise<void> {
  await until(`${calls} calls are done`, async () => (await session.status()).callsDone === calls);
}

it.concurrent('runs the calls of a step one after another, in their order', async () => {
  let running = 0;
  let most = 0;
  const session = await begin({
    runToolCall: async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      return { outcome: 'done' };
    },
  });
  const ids = ['sevt_1', 'sevt_2', 'sevt_3', 'sevt_4'];
  await session.opened(...ids.map((id) => call(id)));
  await answered(session, 4);
  expect(most).toBe(1);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(ids);
});

it.concurrent('makes a new sandbox for a call that the lost one never saw, and says that files are lost', async () => {
  const sandboxes = ['isandbox1', 'isandbox2'];
  const session = await begin({
    prepareSandbox: async () => ({ sandboxId: sandboxes.shift() ?? '', how: 'created' }),
    runToolCall: async ({ sandboxId }) =>
      sandboxId === 'isandbox1' ? { outcome: 'sandbox lost', started: false } : { outcome: 'done' },
  });
  await session.opened(call('sevt_1'));
  await answered(session, 1);
  await session.opened(call('sevt_2'));
  await answered(session, 2);
  expect(session.argsOf('runToolCall')).toMatchObject([
    { call: { id: 'sevt_1' }, sandboxId: 'isandbox1' },
    { call: { id: 'sevt_1' }, sandboxId: 'isandbox2', modelNotice: 'files-lost' },
    { call: { id: 'sevt_2' }, sandboxId: 'isandbox2' },
  ]);
  expect(session.names()).not.toContain('postResult');
  const wishes = session.argsOf('prepareSandbox');
  expect(wishes.map(({ hadSandbox }) => hadSandbox)).toEqual([undefined, true]);
  expect(new Set(wishes.map(({ nonce }) => nonce)).size).toBe(2);
});

it.concurrent('asks again for a sandbox that it did not get with the same nonce', async () => {
  let refusals = 2;
  const session = world.session({
    prepareSandbox: async () => {
      if (refusals-- > 0) throw ApplicationFailure.nonRetryable('no', 'final');
      return { sandboxId: `i${refusals}`, how: 'created' };
    },
    pauseSandbox: async () => 'lost',
  });
  for (const [index, id] of ['sevt_1', 'sevt_2', 'sevt_3'].entries()) {
    await session.claimed(`work_${index}`);
    await session.opened(call(id));
    await answered(session, index + 1);
  }
  const nonces = () => session.argsOf('prepareSandbox').map(({ nonce, hadSandbox }) => [nonce, hadSandbox]);
  expect(new Set(nonces().map(([nonce]) => nonce)).size).toBe(1);
  expect(nonces()[0]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), undefined]);
});

it.concurrent('does not run a call again that a lost sandbox had begun: the model hears that its outcome is unknown', async () => {
  const sandboxes = ['isandbox1', 'isandbox2'];
  const session = await begin({
    prepareSandbox: async () => ({ sandboxId: sandboxes.shift() ?? '', how: 'created' }),
    runToolCall: async ({ sandboxId }) =>
      sandboxId === 'isandbox1' ? { outcome: 'sandbox lost', started: true } : { outcome: 'done' },
  });
  await session.opened(call('sevt_1'), call('sevt_2'));
  await answered(session, 2);
  expect(session.argsOf('runToolCall')).toMatchObject([
    { call: { id: 'sevt_1' } },
    { call: { id: 'sevt_2' }, sandboxId: 'isandbox2', modelNotice: 'files-lost' },
  ]);
  const [posted] = session.argsOf('postResult');
  expect(posted).toMatchObject({ callId: 'sevt_1', result: { isError: true } });
  expect(posted?.result.content[0]?.text).toMatch(/unknown.*not run again/s);
});

it.concurrent('posts a result later, and meanwhile the next calls run', async () => {
  let refused = 0;
  const session = await begin({
    runToolCall: async ({ call: { id } }) =>
      id === 'sevt_1' ? { outcome: 'unposted', result: text('kept') } : { outcome: 'done' },
    postResult: async (_args, it) => {
      // The service takes nothing at first, nor until the next calls are through.
      if (refused++ === 0 || (await it.status()).callsDone < 2) throw new Error('503');
      return { outcome: 'accepted' };
    },
  });
  await session.opened(call('sevt_1'), call('sevt_2'), call('sevt_3'));
  await answered(session, 3);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_1', 'sevt_2', 'sevt_3']);
  const posts = session.argsOf('postResult');
  expect(posts.length).toBeGreaterThan(1);
  for (const post of posts) expect(post).toMatchObject({ callId: 'sevt_1', result: text('kept') });
});

it.concurrent('shows a result that is refused for good, and goes on', async () => {
  const session = await begin({
    runToolCall: async ({ call: { id } }) =>
      id === 'sevt_1' ? { outcome: 'refused', reason: 'session is archived' } : { outcome: 'done' },
  });
  await session.opened(call('sevt_1'));
  await answered(session, 1);
  const refused = {
    cause: 'result',
    what: expect.stringMatching(/bash \(sevt_1\) was refused.*session is archived/),
  };
  expect((await session.status()).attention).toMatchObject([refused]);
  await session.opened(call('sevt_2'));
  await answered(session, 2);
  await session.idle();
  await until('the note is gone with the turn', async () => (await session.status()).attention.length === 0);
});

it.concurrent('answers every call with the reason when no sandbox can be had', async () => {
  const session = await begin({
    prepareSandbox: async () => {
      throw ApplicationFailure.nonRetryable('E2B refuses the key', 'final');
    },
  });
  await session.opened(call('sevt_1'), call('sevt_2'));
  await answered(session, 2);
  expect(session.names()).not.toContain('runToolCall');
  const said = session.argsOf('postResult').map(({ callId, result }) => [callId, result.content[0]?.text]);
  const why = 'The sandbox for this session could not be started: E2B refuses the key';
  expect(said).toEqual([
    ['sevt_1', why],
    ['sevt_2', why],
  ]);
});

it.concurrent('cancels a running call once when it is interrupted, and posts nothing', async () => {
  let cancelled = false;
  const session = await begin({
    runToolCall: async () => {
      while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 20));
      // The command takes a moment to end.
      await new Promise((resolve) => setTimeout(resolve, 500));
      return { outcome: 'cancelled' };
    },
    cancelToolCall: async () => {
      cancelled = true;
    },
  });
  await session.opened(call('sevt_1'));
  await session.untilCalled('runToolCall');
  await session.interrupted({ eventId: 'sevt_2', callIds: ['sevt_1'], why: 'interrupted' });
  await answered(session, 1);
  expect(session.argsOf('cancelToolCall')).toMatchObject([{ sandboxId: 'isandbox1', callId: 'sevt_1' }]);
  expect(session.names()).not.toContain('postResult');
});

it.concurrent('drops queued calls that are interrupted, and runs none of them', async () => {
  const session = await begin({
    runToolCall: async (_args, it) => {
      await it.interrupted({ eventId: 'sevt_4', callIds: ['sevt_2', 'sevt_3'], why: 'interrupted' });
      return { outcome: 'done' };
    },
  });
  await session.opened(call('sevt_1'), call('sevt_2'), call('sevt_3'));
  await answered(session, 3);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_1']);
  expect(session.names()).not.toContain('cancelToolCall');
});

it.concurrent('posts nothing for a call that was interrupted while its result could not be posted', async () => {
  let outage = true;
  const session = await begin({
    runToolCall: async () => ({ outcome: 'unposted', result: text('kept') }),
    postResult: async () => {
      if (outage) throw new Error('503');
      return { outcome: 'answered' };
    },
  });
  await session.opened(call('sevt_1'));
  await session.untilCalled('postResult');
  await session.interrupted({ eventId: 'sevt_2', callIds: ['sevt_1'], why: 'interrupted' });
  outage = false;
  await answered(session, 1);
  expect((await session.status()).openCalls).toEqual([]);
});

it.concurrent('holds a call that waits for its approval, and runs it when that comes', async () => {
  const session = await begin({});
  await session.opened(call('sevt_1', { awaitingApproval: true }), call('sevt_2'));
  await answered(session, 1);
  await session.untilPhase('waiting for approval');
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_2']);
  await session.opened(call('sevt_1'));
  await answered(session, 2);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_2', 'sevt_1']);
});

it.concurrent('tries to post a result for as long as it takes, half a minute apart at most', async () => {
  let tries = 0;
  const session = await begin({
    runToolCall: async () => ({ outcome: 'unposted', result: text('kept') }),
    postResult: async () => {
      tries += 1;
      if (tries < 3) throw ApplicationFailure.retryable('the service is away');
      return { outcome: 'accepted' };
    },
  });
  await session.opened(call('sevt_1'));
  await answered(session, 1);
  const { events } = await session.handle.fetchHistory();
  const [posted] = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
    scheduled?.activityType?.name === 'postResult' ? scheduled : [],
  );
  // 0: for ever. How long an answer may ask to wait is bounded in test/activities/errors.test.ts.
  expect(posted?.retryPolicy?.maximumAttempts).toBe(0);
  expect(Number(posted?.scheduleToCloseTimeout?.seconds)).toBe(0);
  expect(Number(posted?.retryPolicy?.maximumInterval?.seconds)).toBe(30);
});

it.concurrent('answers an interrupted call for which the session waits all the same', async () => {
  let cancelled: () => void = () => undefined;
  const wasCancelled = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  const session = await begin({
    runToolCall: async () => {
      await wasCancelled;
      return { outcome: 'cancelled' };
    },
    cancelToolCall: async () => cancelled(),
  });
  await session.opened(call('sevt_1'), call('sevt_2'));
  await session.untilCalled('runToolCall');
  await session.interrupted({ eventId: 'sevt_3', callIds: ['sevt_1', 'sevt_2'], why: 'interrupted' });
  await session.opened({ ...call('sevt_1'), stillAwaited: true }, { ...call('sevt_2'), stillAwaited: true });
  await session.untilCalled('postResult', 2);
  await until('nothing is open', async () => (await session.status()).openCalls.length === 0);
  const posts = session.argsOf('postResult');
  expect(posts.map(({ callId }) => callId).sort()).toEqual(['sevt_1', 'sevt_2']);
  for (const { result } of posts) {
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).toContain('interrupted by the user');
  }
  expect(session.names().filter((name) => name === 'runToolCall')).toHaveLength(1);
});
