// What needs a person's attention: shown while its cause goes on, and no longer.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../harness/until.ts';
import { attentionLines, needsAttention, raise, raiseIf, settle } from '../../workflows/attention.ts';
import { call, type SessionWorld, startSessionWorld } from './session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

it('is kept by cause: oldest first, with the newest words of each, bounded', () => {
  const state = { attention: {} };
  raise(state, 'pause', 'first', 2_000);
  raise(state, 'memory', 'x'.repeat(10_000), 1_000);
  raise(state, 'pause', 'again', 3_000);
  expect(needsAttention(state)).toEqual([
    { cause: 'memory', what: `${'x'.repeat(499)}…`, since: '1970-01-01T00:00:01.000Z' },
    { cause: 'pause', what: 'again', since: '1970-01-01T00:00:02.000Z' },
  ]);
  raiseIf(state, 'memory', undefined, 4_000);
  expect(attentionLines(state)).toEqual(['', '**Attention** since 1970-01-01T00:00:02.000Z: again']);
  settle(state, 'pause', 'kill');
  expect(needsAttention(state)).toEqual([]);
});

it('names the call that a failed step was about', async () => {
  const session = world.session({
    runToolCall: () => Promise.reject(ApplicationFailure.nonRetryable('the toolhost is gone')),
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('the failure is shown', async () => (await session.status()).attention.length > 0);
  expect((await session.status()).attention).toMatchObject([
    {
      cause: 'run',
      what: expect.stringMatching(/^A tool call could not be run.*\(bash sevt_1\): the toolhost is gone/),
    },
  ]);
  await session.idle();
  await until('it is over with the turn', async () => (await session.status()).attention.length === 0);
});

it('is over as soon as a sandbox is to be had again; other causes stay', async () => {
  let refused = true;
  const session = world.session({
    prepareSandbox: async () => {
      if (refused) throw ApplicationFailure.nonRetryable('E2B refuses the key');
      return { sandboxId: 'isandbox1', how: 'created' };
    },
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  const causes = async () => (await session.status()).attention.map(({ cause }) => cause);
  await until('the failure is shown', async () => (await causes()).includes('prepare'));
  expect((await session.status()).attention[0]?.what).toMatch(
    /^No sandbox could be started.*refuses the key/,
  );
  await session.handle.signal('webhookReceived', { malformed: true });
  refused = false;
  await session.opened(call('sevt_2'));
  await until('the call is answered', async () => (await session.status()).callsDone === 2);
  expect(await causes()).toEqual(['messages']);
});
