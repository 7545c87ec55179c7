// A long session: many calls in one workflow, which is renewed (continue-as-new) on the way.
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import {
  call,
  type Session,
  type SessionWorld,
  startSessionWorld,
  watchUntilRecalled,
} from '../session-world.ts';

const CALLS = 200;
/** As long as the ids of the service. */
const ids = Array.from({ length: CALLS }, (_, n) => `sevt_01${String(n).padStart(22, '0')}`);
const PREVIEW = 'x'.repeat(160);

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

interface Run {
  runId: string;
  events: number;
  /** Bytes of the state that it was started with, and that it hands on. */
  stateBytes: number;
  handsOnBytes: number;
  toolCalls: number;
}

async function runsOf(session: Session, firstRunId: string): Promise<Run[]> {
  const runs: Run[] = [];
  for (let runId = firstRunId; runId; ) {
    const handle = world.client.workflow.getHandle(session.handle.workflowId, runId);
    const history: History = await handle.fetchHistory();
    const all = history.events ?? [];
    const started = all[0]?.workflowExecutionStartedEventAttributes;
    const renewed = all.at(-1)?.workflowExecutionContinuedAsNewEventAttributes;
    const scheduled = all.flatMap(({ activityTaskScheduledEventAttributes: one }) => one ?? []);
    runs.push({
      runId,
      events: all.length,
      stateBytes: bytesOf(started?.input),
      handsOnBytes: bytesOf(renewed?.input),
      toolCalls: scheduled.filter(({ activityType }) => activityType?.name === 'runToolCall').length,
    });
    runId = renewed?.newExecutionRunId ?? '';
  }
  return runs;
}

function bytesOf(input: { payloads?: { data?: Uint8Array | null }[] | null } | null | undefined): number {
  return (input?.payloads ?? []).reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}

function expectBounded(runs: Run[]): void {
  expect(runs.length).toBeGreaterThan(1);
  for (const run of runs) {
    expect(run.events).toBeLessThan(1_000);
    expect(run.stateBytes).toBeLessThan(64 * 1024);
    expect(run.handsOnBytes).toBeLessThan(64 * 1024);
  }
  expect(runs.reduce((sum, run) => sum + run.toolCalls, 0)).toBe(CALLS);
}

it.concurrent('200 calls, one after another: bounded runs and state, no call run twice', {
  timeout: 120_000,
}, async () => {
  const session = world.session({
    watchSession: async (_args, it) => {
      // A new watch lists all events of the session, and reports all of them once more.
      const done = it.argsOf('runToolCall').length;
      if (done > 0) await it.opened(...ids.slice(0, done).map((id) => call(id, { preview: PREVIEW })));
      else await it.opened(call(ids[0] ?? '', { preview: PREVIEW }));
      return watchUntilRecalled();
    },
    runToolCall: async (_args, it) => {
      const next = ids[it.argsOf('runToolCall').length];
      // The model's next call comes as soon as this one is answered.
      if (next) setTimeout(() => void it.opened(call(next, { preview: PREVIEW })).catch(() => undefined), 5);
      return { outcome: 'done' };
    },
  });
  await session.claimed('work_1');
  const { runId } = await session.handle.describe();
  await until('all calls are done', async () => (await session.status()).callsDone === CALLS, 100_000);
  expect(session.argsOf('runToolCall').map((args) => args.call.id)).toEqual(ids);
  expectBounded(await runsOf(session, runId));
});

it.concurrent('renewed under load, it loses no message and runs no call twice', {
  timeout: 120_000,
}, async () => {
  const session = world.session();
  await session.claimed('work_1');
  const { runId } = await session.handle.describe();
  // Twice each and by several senders at once, whatever the workflow is about to do.
  const senders = Array.from({ length: 4 }, async (_, sender) => {
    for (const id of ids.filter((_id, n) => n % 4 === sender)) {
      await Promise.all([
        session.opened(call(id)),
        session.opened(call(id)),
        session.webhookReceived(`whe_${id}`),
      ]);
    }
  });
  await Promise.all(senders);
  await until('all calls are done', async () => (await session.status()).callsDone === CALLS, 100_000);
  const run = session.argsOf('runToolCall').map((args) => args.call.id);
  expect(run.sort()).toEqual(ids);
  expectBounded(await runsOf(session, runId));
  expect(await session.status()).toMatchObject({ workId: 'work_1', openCalls: [], attention: [] });
});
