// A session's work item and its sandbox over turns: claimed, lost, let go, and the races between.
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { toolCallsRequestedSignal } from '../../../workflows/messages.ts';
import {
  call,
  type Session,
  type SessionWorld,
  startSessionWorld,
  untilCancelled,
  watchUntilRecalled,
} from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

/** The service's answer while a turn is under way. */
const LIVE = { ours: true, live: true, ended: null, orphanedCalls: [] };
const IDLE = { ...LIVE, live: false };
const SOON = { graceMs: 50 };
/** The parts of `restSession`. */
const PARTS = ['stopWork', 'inspectSession', 'pauseSandbox'];

async function turnWithoutCalls(session: Session): Promise<void> {
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.idle();
}

it.concurrent('looks into the queue again for a wake that came while it was looking', async () => {
  let looks = 0;
  const session = world.session({
    claimWork: async (_args, it) => {
      looks += 1;
      if (looks === 1) await it.webhookReceived();
      else await it.claimed('work_1');
      return { claimed: looks - 1 };
    },
  });
  await session.webhookReceived();
  await session.untilCalled('watchSession');
  expect(session.names().filter((name) => name === 'claimWork')).toHaveLength(2);
});

it.concurrent('takes an item back whose lease was lost, and runs no call of it twice', async () => {
  let watches = 0;
  const session = world.session({
    watchSession: async (_args, it) => {
      watches += 1;
      if (watches > 1) return watchUntilRecalled();
      await it.opened(call('sevt_1'));
      await it.untilCalled('runToolCall');
      return { why: 'lost', lease: null };
    },
    claimWork: async (_args, it) => {
      await it.claimed('work_1');
      return { claimed: 1 };
    },
    runToolCall: async (_args, it) => {
      await it.untilCalled('watchSession', 2);
      return { outcome: 'done' };
    },
  });
  await session.claimed('work_1');
  await until('the call is answered', async () => (await session.status()).callsDone === 1);
  // The next watch reports what it finds open, and the answer was on its way.
  await session.opened(call('sevt_1'), call('sevt_2'));
  await until('the other call is answered', async () => (await session.status()).callsDone === 2);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(['sevt_1', 'sevt_2']);
  expect(session.argsOf('watchSession')).toMatchObject([
    { workId: 'work_1', lease: null },
    { workId: 'work_1', lease: null, known: [{ id: 'sevt_1', awaitingApproval: false }] },
  ]);
});

it.concurrent('gives back an item that the service wants back, and remembers that it did', async () => {
  const session = world.session({ watchSession: async () => ({ why: 'stopping', lease: null }) });
  await session.claimed('work_1');
  await session.untilCalled('stopWork');
  await session.claimed('work_1');
  await session.untilCalled('claimWork');
  expect(session.argsOf('stopWork')).toMatchObject([{ workId: 'work_1' }]);
  expect(session.names().filter((name) => name === 'watchSession')).toHaveLength(1);
});

it.concurrent('rests after a turn: lets the item go, looks once more, pauses the sandbox', async () => {
  const session = world.session({}, SOON);
  await turnWithoutCalls(session);
  await session.untilCalled('pauseSandbox');
  // Asked for at once, on two task queues.
  expect(session.names().slice(0, 2).sort()).toEqual(['prepareSandbox', 'watchSession']);
  expect(session.names().slice(2)).toEqual(['restSession', ...PARTS]);
  await session.untilPhase('paused');
  expect(await session.status()).toMatchObject({ sandboxId: 'isandbox1', workId: null });
});

it.concurrent('finds a turn that began while it let go, although no webhook tells of it', async () => {
  let claims = 0;
  const session = world.session(
    {
      inspectSession: async () => (claims === 0 ? LIVE : IDLE),
      claimWork: async (_args, it) => {
        claims += 1;
        await it.claimed('work_2');
        return { claimed: 1 };
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('watchSession', 2);
  await session.untilCalled('prepareSandbox', 2);
  expect(session.argsOf('watchSession').map((args) => args.workId)).toEqual(['work_1', 'work_2']);
  expect(session.argsOf('prepareSandbox')).toMatchObject([{ sandboxId: null }, { sandboxId: 'isandbox1' }]);
});

it.concurrent('runs the calls of a turn that began while it let go at once, and keeps the sandbox running', async () => {
  const session = world.session(
    {
      // No item covers the call, and none comes.
      inspectSession: async ({ orphanedCalls, known }) =>
        orphanedCalls && !known?.length ? { ...LIVE, orphanedCalls: [call('sevt_1')] } : LIVE,
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('runToolCall');
  const names = session.names().filter((name) => name !== 'claimWork');
  expect(names.slice(2)).toEqual(['restSession', 'stopWork', 'inspectSession', 'runToolCall']);
});

it.concurrent('pauses the sandbox although it cannot see whether a turn began while it let go', async () => {
  const session = world.session(
    {
      inspectSession: async () => {
        throw ApplicationFailure.nonRetryable('no permission');
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('pauseSandbox');
  await session.untilPhase('paused');
});

it.concurrent('does not forget a wake that comes while it sees that nothing is under way', async () => {
  let looks = 0;
  const session = world.session(
    {
      inspectSession: async ({ orphanedCalls }, it) => {
        looks += 1;
        if (looks > 1) return { ...LIVE, orphanedCalls: orphanedCalls ? [call('sevt_1')] : [] };
        // The turn begins, and its webhook is there before this answer.
        await it.webhookReceived();
        return IDLE;
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('runToolCall');
});

it.concurrent.each(['stopWork', 'pauseSandbox', 'inspectSession'] as const)(
  'keeps an item that comes in the middle of its rest, in %s',
  async (moment) => {
    let rests = 0;
    const session = world.session(
      {
        [moment]: async (_args: unknown, it: { claimed(workId: string): Promise<void> }) => {
          rests += 1;
          if (rests === 1) await it.claimed('work_2');
          return moment === 'inspectSession' ? LIVE : 'paused';
        },
      },
      SOON,
    );
    await turnWithoutCalls(session);
    await session.untilCalled('watchSession', 2);
    await session.opened(call('sevt_1'));
    await until('its call is answered', async () => (await session.status()).callsDone === 1);
    expect(await session.status()).toMatchObject({ workId: 'work_2', phase: 'working' });
    expect(session.argsOf('stopWork').map((args) => args.workId)).toEqual(['work_1']);
  },
);

it.concurrent('goes on with a turn that begins while its watch is recalled and still reports', async () => {
  const session = world.session(
    {
      watchSession: async (_args, it) => {
        const ended = await watchUntilRecalled();
        if (it.argsOf('watchSession').length === 1) await it.opened(call('sevt_1'));
        return ended;
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await until('its call is answered', async () => (await session.status()).callsDone === 1);
});

it.concurrent('takes no call from its recalled watch while it lets go: another worker may have the item', async () => {
  const session = world.session(
    {
      inspectSession: async (_args, it) => {
        const watch = { since: it.argsOf('watchSession')[0]?.since ?? 0, attempt: 1 };
        await it.handle.signal(toolCallsRequestedSignal, { calls: [call('sevt_1')], watch });
        return IDLE;
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('pauseSandbox');
  await session.untilPhase('paused');
  expect(await session.status()).toMatchObject({ openCalls: [], callsDone: 0, malformedSignals: 0 });
  expect(session.names()).not.toContain('runToolCall');
});

it.concurrent('ends when it was not used for its retention, and kills its sandbox', async () => {
  const session = world.session({}, { graceMs: 50, retentionMs: 1_000 });
  await turnWithoutCalls(session);
  expect(await session.handle.result()).toBe('unused past its retention');
  expect(session.names().slice(-3)).toEqual(['inspectSession', 'pauseSandbox', 'killSandboxes']);
});

it.concurrent('starts afresh when it is woken in the last moment of its retention', async () => {
  const session = world.session(
    {
      killSandboxes: async (_args, it) => {
        if (it.argsOf('killSandboxes').length === 1) await it.claimed('work_2');
        return ['isandbox1'];
      },
    },
    { graceMs: 50, retentionMs: 1_000 },
  );
  await turnWithoutCalls(session);
  await session.untilCalled('prepareSandbox', 2);
  expect(session.argsOf('prepareSandbox')).toMatchObject([{ sandboxId: null }, { sandboxId: null }]);
  await session.opened(call('sevt_1'));
  await until('its call is answered', async () => (await session.status()).callsDone === 1);
});

it.concurrent('lets an item go that was claimed while the session ended', async () => {
  const session = world.session({
    killSandboxes: async (_args, it) => {
      await it.claimed('work_2');
      return ['isandbox1'];
    },
  });
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.changed({ eventId: 'sevt_end', change: 'terminated' });
  expect(await session.handle.result()).toBe('terminated');
  expect(session.argsOf('stopWork').map(({ workId }) => workId)).toEqual(['work_1', 'work_2']);
});

it.concurrent('waits for a sandbox that is being made when its session ends, and kills it too', async () => {
  let made = false;
  const killed: boolean[] = [];
  const session = world.session({
    prepareSandbox: async () => {
      await untilCancelled();
      await new Promise((resolve) => setTimeout(resolve, 300));
      made = true;
      return { sandboxId: 'isandbox1', how: 'created' };
    },
    killSandboxes: async () => {
      killed.push(made);
      return [];
    },
  });
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.changed({ eventId: 'sevt_1', change: 'archived' });
  await session.handle.result();
  expect(killed).toEqual([true]);
});

it.concurrent('keeps the files when a person cancels the workflow', async () => {
  const session = world.session({
    // A command that takes long.
    runToolCall: async () => {
      await watchUntilRecalled();
      throw new CancelledFailure('cancelled');
    },
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await session.untilCalled('runToolCall');
  await session.handle.cancel();
  const failure = await session.handle.result().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  expect(session.names().slice(-2)).toEqual(['stopWork', 'pauseSandbox']);
  expect(session.names()).not.toContain('killSandboxes');
});

it.concurrent('pauses the sandbox of a workflow that a person cancels while it inspects the session at rest', async () => {
  const cancelling: Parameters<typeof world.session>[0] = {
    inspectSession: async (_args, it) => {
      await it.handle.cancel();
      return { ours: true, live: false, ended: null, orphanedCalls: [] };
    },
  };
  const session = world.session(cancelling, SOON);
  await turnWithoutCalls(session);
  expect(await session.handle.result().catch((error: unknown) => error)).toBeInstanceOf(WorkflowFailedError);
  expect(session.names().slice(-4)).toEqual(['restSession', ...PARTS]);
});

it.concurrent('waits for the end of a rest that a person cancels: nothing is paused behind its back', async () => {
  let ended = false;
  const session = world.session(
    {
      pauseSandbox: async () => {
        await untilCancelled();
        await new Promise((resolve) => setTimeout(resolve, 300));
        ended = true;
        return 'paused';
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('pauseSandbox');
  await session.handle.cancel();
  expect(await session.handle.result().catch((error: unknown) => error)).toBeInstanceOf(WorkflowFailedError);
  expect(ended).toBe(true);
});

it.concurrent('goes on with a rest where a service failed, and repeats nothing', async () => {
  let failures = 2;
  const session = world.session(
    {
      pauseSandbox: async () => {
        if (failures-- > 0) throw new Error('503');
        return 'paused';
      },
    },
    SOON,
  );
  await turnWithoutCalls(session);
  await session.untilCalled('pauseSandbox', 3);
  await session.untilPhase('paused');
  const names = session.names().filter((name) => name !== 'restSession');
  expect(names.slice(2)).toEqual(['stopWork', 'inspectSession', ...Array(3).fill('pauseSandbox')]);
});

it.concurrent.each(['stopWork', 'inspectSession', 'pauseSandbox'] as const)(
  'rests although no retry can help %s, and shows why',
  async (part) => {
    const session = world.session(
      { [part]: () => Promise.reject(ApplicationFailure.nonRetryable('no permission')) },
      SOON,
    );
    await turnWithoutCalls(session);
    await session.untilCalled('pauseSandbox');
    await session.untilPhase('paused');
    expect(session.names().slice(2)).toEqual(['restSession', ...PARTS]);
    expect(await session.status()).toMatchObject({
      workId: null,
      attention: [{ cause: 'rest', what: expect.stringContaining('no permission') }],
    });
  },
);

it.concurrent('ends with a session that turns out to be archived while it lets go', async () => {
  const session = world.session({ inspectSession: async () => ({ ...IDLE, ended: 'archived' }) }, SOON);
  await turnWithoutCalls(session);
  expect(await session.handle.result()).toBe('archived');
  expect(session.names().slice(2)).toEqual(['restSession', ...PARTS, 'killSandboxes']);
});

it.concurrent('lets an item go that was claimed while a person had the workflow cancelled', async () => {
  const session = world.session({
    pauseSandbox: async (_args, it) => {
      await it.claimed('work_2');
      return 'paused';
    },
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('its call is answered', async () => (await session.status()).callsDone === 1);
  await session.handle.cancel();
  expect(await session.handle.result().catch((error: unknown) => error)).toBeInstanceOf(WorkflowFailedError);
  expect(session.argsOf('stopWork').map(({ workId }) => workId)).toEqual(['work_1', 'work_2']);
  expect(session.names()).not.toContain('killSandboxes');
});

it.concurrent('leaves a session of another environment after one look', async () => {
  const session = world.session({
    inspectSession: async () => ({ ours: false, live: false, ended: null, orphanedCalls: [] }),
  });
  await session.webhookReceived();
  expect(await session.handle.result()).toBe('session of another environment');
  expect(session.names().sort()).toEqual(['claimWork', 'inspectSession']);
});
