// When a session's memory is synced: before the first call of a turn, and when the turn is over, whatever comes first.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { call, type Script, type Session, type SessionWorld, startSessionWorld } from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const stores = [{ storeId: 'memstore_1', mountPath: '/mnt/memory/notes', readOnly: false }];

/** A session with a memory store; its syncs, calls and pauses, in order. */
function remembering(script: Script = {}, settings = {}): { session: Session; order: () => string[] } {
  const session = world.session(
    {
      prepareSandbox: async () => ({
        sandboxId: 'isandbox1',
        how: 'created',
        equipment: { stores, problems: [] },
      }),
      ...script,
    },
    settings,
  );
  const order = () =>
    session.called.flatMap(({ name, args }) => {
      if (name === 'runToolCall') return ['call'];
      if (name === 'pauseSandbox') return ['pause'];
      if (name !== 'syncMemory') return [];
      return [(args as { last: boolean }).last ? 'last sync' : 'sync'];
    });
  return { session, order };
}

it.concurrent('is synced before the first call, and when the turn is over', async () => {
  const { session, order } = remembering();
  await session.claimed('work_1');
  await session.opened(call('sevt_1'), call('sevt_2'));
  await until('both calls are done', async () => (await session.status()).callsDone === 2);
  expect(order()).toEqual(['sync', 'call', 'call']);
  await session.idle();
  await until('it is synced again', async () => order().length === 4);
  expect(order()).toEqual(['sync', 'call', 'call', 'last sync']);
});

it.concurrent('is synced after a call that ends when its turn is over already', async () => {
  const { session, order } = remembering({
    // The answer is with the model before the workflow hears of it.
    runToolCall: async (_args, one) => {
      await one.idle();
      await until('the workflow knows', async () => (await one.status()).phase !== 'waking');
      return { outcome: 'done' };
    },
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('it is synced again', async () => order().length === 3);
  expect(order()).toEqual(['sync', 'call', 'last sync']);
});

it.concurrent('is not synced where no call has run', async () => {
  const { session, order } = remembering();
  await session.claimed('work_1');
  await until('it is synced', async () => order().length === 1);
  await session.idle();
  await session.changed({ eventId: 'sevt_end', change: 'archived' });
  await session.handle.result();
  expect(order()).toEqual(['sync']);
});

it.concurrent('is synced before the sandbox pauses while a result waits to be posted', async () => {
  let accepted = false;
  const { session, order } = remembering(
    {
      runToolCall: async () => ({ outcome: 'unposted', result: { content: [], isError: false } }),
      // The turn is over as soon as the service has the result.
      postResult: async (_args, one) => {
        await until('the service can be reached', async () => accepted);
        await one.idle();
        return { outcome: 'accepted' };
      },
    },
    { graceMs: 50 },
  );
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await session.untilCalled('pauseSandbox');
  accepted = true;
  await session.untilCalled('stopWork');
  expect(order().slice(0, 4)).toEqual(['sync', 'call', 'last sync', 'pause']);
  // Nothing has changed since: the sandbox is not resumed to save memory again.
  expect(order().filter((one) => one !== 'pause')).toEqual(['sync', 'call', 'last sync']);
});

it.concurrent('is synced around calls that no work item covers, with the token of the last one', async () => {
  let begun = false;
  let ran = false;
  const { session, order } = remembering(
    {
      inspectSession: async ({ orphanedCalls }) => {
        const live = begun && !ran;
        return {
          ours: true,
          live,
          ended: null,
          orphanedCalls: live && orphanedCalls ? [call('sevt_9')] : [],
        };
      },
      runToolCall: async () => {
        ran = true;
        return { outcome: 'done' };
      },
    },
    { graceMs: 50 },
  );
  await session.claimed('work_1', 'work_1.sealed');
  await session.untilCalled('syncMemory');
  await session.idle();
  await session.untilPhase('paused');
  // The next turn began while the item was let go.
  begun = true;
  await session.webhookReceived();
  await until('it is synced after the call', async () => order().at(-1) === 'last sync');
  expect(order().slice(-3)).toEqual(['sync', 'call', 'last sync']);
  const tokens = session.argsOf('syncMemory').map(({ sealedSecret }) => sealedSecret);
  expect(new Set(tokens)).toEqual(new Set(['work_1.sealed']));
});

it.concurrent('away while no item has brought a token, it is told with every call, and shown', async () => {
  let begun = true;
  const { session, order } = remembering({
    inspectSession: async ({ orphanedCalls }) => ({
      ours: true,
      live: begun,
      ended: null,
      orphanedCalls: begun && orphanedCalls ? [call('sevt_1')] : [],
    }),
  });
  await session.webhookReceived();
  await session.untilCalled('runToolCall');
  begun = false;
  expect(order()).toEqual(['call']);
  expect(session.argsOf('runToolCall')).toMatchObject([
    { memoryUnavailable: 'no work item brought a token for it' },
  ]);
  const { currentDetails } = await session.handle.query<{ currentDetails: string }>(
    '__temporal_workflow_metadata',
  );
  expect(currentDetails).toContain('unavailable: no work item brought a token for it');
  // It is synced as soon as one has.
  await session.claimed('work_1', 'work_1.sealed');
  await session.opened(call('sevt_2'));
  await until('the second call has run', async () => order().length === 3);
  expect(order()).toEqual(['call', 'sync', 'call']);
  expect(session.argsOf('runToolCall').at(-1)).not.toHaveProperty('memoryUnavailable');
});

it.concurrent('refused by the service, it is told with the calls until it is back', async () => {
  const reason = 'the service refuses it: 403';
  const { session } = remembering({ syncMemory: async () => ({ outcome: 'unavailable', reason }) });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await session.untilCalled('runToolCall');
  expect(session.argsOf('runToolCall')).toMatchObject([{ memoryUnavailable: reason }]);
});
