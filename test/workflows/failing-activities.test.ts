// Whatever an activity answers, and however often: no workflow repeats a step without progress or a pause. Each activity
// in turn fails for good at once, or comes back with something that no other code expects, and the history is counted.
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../harness/until.ts';
import type { SessionSettings } from '../../workflows/messages.ts';
import {
  type ActivityName,
  call,
  type Script,
  type Session,
  type SessionWorld,
  startSessionWorld,
  watchUntilRecalled,
} from './session-world.ts';

/** A spinning step writes thousands of events in this time. */
const WATCHED_MS = 15_000;
/** A loaded machine takes its time until every activity was asked for. */
const REACHED_WITHIN_MS = 120_000;
const MOST_EVENTS = 700;

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const stores = [{ storeId: 'memstore_1', mountPath: '/mnt/memory/one', readOnly: false }];
const bringsMemory: Script = {
  prepareSandbox: async ({ sandboxId }) => ({
    sandboxId: sandboxId ?? 'isandbox1',
    how: sandboxId ? 'connected' : 'created',
    equipment: { stores, problems: [] },
  }),
  // The first call runs long enough to be interrupted, whatever becomes of the cancel.
  runToolCall: async ({ call: { id } }) => {
    const { heartbeat } = Context.current();
    for (let second = 0; id === 'sevt_1' && second < 6; second += 1) {
      heartbeat();
      await later(1_000);
    }
    return { outcome: id === 'sevt_1' ? 'cancelled' : 'done' };
  },
};

const answers: [string, () => Promise<never>][] = [
  ['fails for good', async () => Promise.reject(ApplicationFailure.nonRetryable('refused', 'final'))],
  ['times out', async () => Promise.reject(new TimeoutFailure('late', undefined, 'SCHEDULE_TO_CLOSE'))],
  ['answers nothing', async () => undefined as never],
  ['answers an empty object', async () => ({}) as never],
];
const named: ActivityName[] = [
  'inspectSession',
  'claimWork',
  'prepareSandbox',
  'watchSession',
  'checkSession',
  'syncMemory',
  'runToolCall',
  'cancelToolCall',
  'postResult',
  'restSession',
  'stopWork',
  'pauseSandbox',
  'copyOutputs',
  'killSandboxes',
  'requestSlot',
];

/** All steps of the loop are due: a turn with calls, one of them interrupted, its end, rest, another turn, the end. */
async function live(session: Session): Promise<void> {
  const step = (work: Promise<unknown>) => work.catch(() => undefined);
  await session.claimed('work_1');
  await step(session.opened(call('sevt_1'), call('sevt_2')));
  await later(1_000);
  // A call that has not begun would need no cancel.
  await Promise.race([step(session.untilCalled('runToolCall')), later(6_000)]);
  await step(session.interrupted({ eventId: 'sevt_8', callIds: ['sevt_1'], why: 'interrupted' }));
  await later(9_000);
  await step(session.opened(call('sevt_3', { awaitingApproval: true })));
  await later(2_000);
  await step(session.interrupted({ eventId: 'sevt_9', callIds: ['sevt_3'], why: 'denied' }));
  await step(session.idle());
  await later(5_000);
  await step(session.webhookReceived());
}

async function eventsOf({ handle }: Session): Promise<number> {
  let count = 0;
  const first = (await handle.fetchHistory()).events?.[0]?.workflowExecutionStartedEventAttributes;
  for (let runId = first?.firstExecutionRunId ?? ''; runId; ) {
    const run: WorkflowHandle = world.client.workflow.getHandle(handle.workflowId, runId);
    const events = (await run.fetchHistory()).events ?? [];
    count += events.length;
    runId = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? '';
  }
  return count;
}

interface Case {
  what: string;
  /** Of the activity that has to be asked for. */
  name?: ActivityName;
  script: Script;
  settings?: Partial<SessionSettings>;
}

/** Ends within the time where the end itself is what fails. */
const ending: ActivityName[] = ['copyOutputs', 'killSandboxes', 'stopWork'];
const lease = { lastHeartbeat: '2026-01-01T00:00:00.000001Z', ttlSeconds: 60 };
/** What makes an activity be asked for that a session usually lives without. */
const reaching: Partial<Record<ActivityName, Script>> = {
  checkSession: {
    watchSession: async (_args, it) => {
      const eventId = `sevt_waiting_${it.called.length}`;
      await it.changed({ eventId, change: 'waiting', reason: 'requires_action' });
      return { why: 'quiet', seen: eventId, lease };
    },
  },
  postResult: {
    runToolCall: async () => ({ outcome: 'unposted', result: { content: [], isError: false } }),
  },
};
const failing: Case[] = named.flatMap((name) =>
  answers.map(([how, answer]) => ({
    what: `${name} ${how}`,
    name,
    script: { ...reaching[name], [name]: answer } as Script,
    settings: {
      ...(name === 'requestSlot' ? { limited: true } : {}),
      ...(ending.includes(name) ? { retentionMs: 4_000 } : {}),
    },
  })),
);

const fruitless: Case[] = [
  ...(['recalled', 'superseded', 'lost', 'stopping'] as const).map((why) => ({
    what: `the watch ends at once: ${why}`,
    script: { watchSession: async () => ({ why, lease }) },
  })),
  {
    what: 'the lease is lost at once, and the item offered again by the next claim',
    script: {
      watchSession: async () => ({ why: 'lost', lease }),
      claimWork: async (_args, it) => {
        await it.claimed('work_1');
        return { claimed: 1 };
      },
    },
  },
  {
    what: 'every item is lost at once, and another one comes',
    script: {
      watchSession: async () => ({ why: 'lost', lease }),
      claimWork: async (_args, it) => {
        await it.claimed(`work_${it.called.length}`);
        return { claimed: 1 };
      },
    },
  },
  {
    what: 'every sandbox is gone before a call begins',
    script: { runToolCall: async () => ({ outcome: 'sandbox lost', started: false }) },
  },
  {
    what: 'every sandbox is gone at the sync',
    script: { syncMemory: async () => ({ outcome: 'sandbox lost' }) },
  },
  { what: 'every sandbox is gone at its pause', script: { pauseSandbox: async () => 'lost' } },
  {
    what: 'the session is said to be at work for ever',
    script: { inspectSession: async () => ({ ours: true, live: true, ended: null, orphanedCalls: [] }) },
  },
  {
    what: 'the shared sandbox cannot be entered',
    script: {
      requestSharedSandbox: async (_args, it) => {
        await it.handle.signal('sharedSandboxAssigned', { sandboxId: 'ishared1' });
        return { workflowId: 'sandbox-env_1' };
      },
      enterSharedSandbox: async () => ({ how: 'lost' }),
    },
    settings: { scope: 'agent' },
  },
  {
    what: 'the shared sandbox is refused for good',
    script: {
      requestSharedSandbox: async () => Promise.reject(ApplicationFailure.nonRetryable('no', 'final')),
    },
    settings: { scope: 'agent' },
  },
];

it('a step that comes to nothing is repeated ever more rarely, whichever it is', {
  timeout: 300_000,
}, async () => {
  const counted = await Promise.all(
    [...failing, ...fruitless].map(async ({ what, name, script, settings }) => {
      const usual = { graceMs: 500, copyOutputs: true };
      const session = world.session({ ...bringsMemory, ...script }, { ...usual, ...settings });
      await live(session);
      const isReached = () => !name || session.names().includes(name);
      for (let left = REACHED_WITHIN_MS; left > 0 && !isReached(); left -= 500) await later(500);
      const reached = isReached();
      await later(WATCHED_MS);
      return { what, reached, events: await eventsOf(session), steps: session.called.length };
    }),
  );
  expect(counted.filter(({ events, reached }) => !reached || events >= MOST_EVENTS)).toEqual([]);
});

it('a cancel that is refused is tried again, and the session goes on when the call is over', {
  timeout: 120_000,
}, async () => {
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const refusals: number[] = [];
  const session = world.session({
    runToolCall: async ({ call: { id } }) => {
      if (id === 'sevt_1') await over;
      return id === 'sevt_1' ? { outcome: 'cancelled' } : { outcome: 'done' };
    },
    cancelToolCall: async () => {
      refusals.push(Date.now());
      throw ApplicationFailure.nonRetryable('the toolhost answers 403', 'final');
    },
    watchSession: watchUntilRecalled,
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'), call('sevt_2'));
  await session.untilCalled('runToolCall');
  await session.interrupted({ eventId: 'sevt_9', callIds: ['sevt_1'], why: 'interrupted' });
  await until('the cancel was tried again after a pause', async () => refusals.length > 6, 60_000);
  // By then it has paused for one, two and four seconds; the first attempt may begin late on a busy machine.
  expect((refusals[6] ?? 0) - (refusals[0] ?? 0)).toBeGreaterThan(4_000);
  expect(await session.status()).toMatchObject({
    attention: [{ cause: 'cancel', what: expect.stringContaining('the toolhost answers 403') }],
  });
  end();
  await until('the next call is done', async () => (await session.status()).callsDone === 2);
});
