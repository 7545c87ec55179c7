// A stuck session, on a real server: raised by a timer while nothing else happens, settled by progress.
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { call, type SessionWorld, startSessionWorld } from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

it('needs attention while its call does not end, and none once it is answered', async () => {
  let answer: (() => void) | undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const session = world.session(
    {
      runToolCall: async () => {
        const context = Context.current();
        const beats = setInterval(() => context.heartbeat(), 50);
        await answered.finally(() => clearInterval(beats));
        return { outcome: 'done' };
      },
    },
    { stuckMs: 600 },
  );
  const causes = async () => (await session.status()).attention.map(({ cause }) => cause);
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('it is stuck', async () => (await causes()).includes('stuck'));
  const { openCalls } = await session.status();
  expect(openCalls).toMatchObject([{ id: 'sevt_1', state: 'running', preview: 'echo sevt_1' }]);
  expect(Date.parse(openCalls[0]?.since ?? '')).toBeGreaterThan(0);
  answer?.();
  await until('it is no longer stuck', async () => !(await causes()).includes('stuck'));
  await session.idle();
});

it('counts as stuck as early as the settings of a new work item say', async () => {
  const session = world.session({ runToolCall: () => Context.current().cancelled }, { stuckMs: 600_000 });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('the turn is under way', async () => (await session.status()).openCalls.length === 1);
  const settings = { graceMs: 60_000, retentionMs: 3_600_000, searchAttributes: false, stuckMs: 500 };
  const start = { environmentId: 'env_1', settings };
  await session.handle.signal('workClaimed', { workId: 'work_2', sealedSecret: null, start });
  await until('it is stuck', async () =>
    (await session.status()).attention.some(({ cause }) => cause === 'stuck'),
  );
});

it('starts no timer for each call: one for the turn', async () => {
  const session = world.session({}, { stuckMs: 600_000 });
  await session.claimed('work_1');
  for (const id of ['a', 'b', 'c', 'd']) await session.opened(call(id));
  await until('the calls are answered', async () => (await session.status()).callsDone === 4);
  await session.idle();
  await session.untilPhase('idle');
  const { events = [] } = await session.handle.fetchHistory();
  const timers = (events ?? []).flatMap(({ timerStartedEventAttributes: timer }) =>
    timer ? [Number(timer.startToFireTimeout?.seconds)] : [],
  );
  expect(timers.filter((seconds) => seconds >= 590)).toHaveLength(1);
});

it('can be cancelled while it waits for progress', async () => {
  const session = world.session({}, { stuckMs: 600_000 });
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  await session.handle.cancel();
  await expect(session.handle.result()).rejects.toThrow(/cancel/i);
});
