// What a session has used, in its memo: read from Temporal's list, while it runs, in a new run, and after its end.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { buildChangedSignal } from '../../../workflows/messages.ts';
import { type SessionUse, USE_MEMO } from '../../../workflows/session-use.ts';
import { call, type Session, type SessionWorld, startSessionWorld } from '../session-world.ts';

/** `EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED` of Temporal's API. */
const PROPERTIES_MODIFIED = 46;

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

async function listed({ handle }: Session): Promise<(SessionUse | undefined)[]> {
  const uses: (SessionUse | undefined)[] = [];
  const query = `WorkflowId = '${handle.workflowId}' AND ExecutionStatus != 'ContinuedAsNew'`;
  for await (const { memo } of world.client.workflow.list({ query }))
    uses.push(memo?.[USE_MEMO] as SessionUse | undefined);
  return uses;
}

/** In the history of the present run. */
async function modifications({ handle }: Session): Promise<number> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).filter(({ eventType }) => eventType === PROPERTIES_MODIFIED).length;
}

it('is written once a turn, is kept in a new run, and stays after the end', async () => {
  const session = world.session(
    {
      runToolCall: async () => ({
        outcome: 'done',
        outputs: { files: [{ path: 'a', size: 7 }], count: 1, bytes: 7, complete: true, mark: 'm' },
      }),
    },
    { graceMs: 1 },
  );
  await session.claimed('work_1');
  await session.opened(call('sevt_1'), call('sevt_2'));
  await until('the calls are done', async () => (await session.status()).callsDone === 2);
  expect(await listed(session)).toEqual([undefined]);
  await session.idle();
  await session.untilPhase('paused');
  const { startTime, runId } = await session.handle.describe();
  const use = {
    startedAt: startTime.toISOString(),
    turns: 1,
    calls: 2,
    outputsBytes: 7,
    outputsComplete: true,
  };
  await until('the list has it', async () => (await listed(session))[0] !== undefined);
  expect(await listed(session)).toEqual([use]);
  expect(await modifications(session)).toBe(1);

  await Promise.all(Array.from({ length: 250 }, () => session.handle.signal(buildChangedSignal)));
  await until('a new run', async () => (await session.handle.describe()).runId !== runId);
  await session.changed({ eventId: 'sevt_end', change: 'archived' });
  await session.handle.result();
  await until('the list has the new run', async () => (await listed(session))[0] !== undefined);
  expect(await listed(session)).toEqual([use]);
  expect(await modifications(session)).toBe(0);
});
