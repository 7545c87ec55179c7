// What people find a session by: search attributes that follow its state, also over continue-as-new.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { registerSearchAttributes } from '../../../src/clients/search-attributes.ts';
import { SESSION_WORKFLOW } from '../../../workflows/messages.ts';
import { recordedLog } from '../../src/recorded-log.ts';
import { type SessionWorld, startSessionWorld } from '../session-world.ts';

/** `EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES` of Temporal's API. */
const UPSERT = 40;

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
  const { connection, options } = world.client;
  expect(await registerSearchAttributes(connection as never, options.namespace, recordedLog().log)).toBe(
    true,
  );
});
afterAll(() => world.close());

async function found(query: string): Promise<string[]> {
  const ids: string[] = [];
  const all = `WorkflowType = '${SESSION_WORKFLOW}' AND ExecutionStatus = 'Running' AND ${query}`;
  for await (const { workflowId } of world.client.workflow.list({ query: all })) ids.push(workflowId);
  return ids;
}

it('finds a session by its agent and by each cause of its attention, until the cause is over', async () => {
  let problems = ['skill pdf cannot be downloaded'];
  const session = world.session(
    {
      prepareSandbox: async () => ({
        sandboxId: 'isandbox1',
        how: 'created',
        agentId: 'agent_1',
        ...(problems.length > 0 ? { equipment: { stores: [], problems } } : {}),
      }),
    },
    { searchAttributes: true, graceMs: 1 },
  );
  const { workflowId } = session.handle;
  const isFound = (query: string) => until(query, async () => (await found(query)).includes(workflowId));
  const isNotFound = (query: string) =>
    until(`not ${query}`, async () => !(await found(query)).includes(workflowId));

  await session.claimed('work_1');
  await isFound("AgentId = 'agent_1' AND SessionAttention = 'skills'");
  expect(await found("SessionAttention = 'messages'")).toEqual([]);
  await session.idle();
  await session.untilPhase('paused');

  // Enough messages for a new run; the attributes go on in it without being set again.
  const { runId } = await session.handle.describe();
  await Promise.all(
    Array.from({ length: 250 }, () => session.handle.signal('webhookReceived', { malformed: true })),
  );
  await until('a new run', async () => (await session.handle.describe()).runId !== runId);
  await isFound("SessionAttention = 'messages' AND SessionAttention = 'skills' AND SessionPhase = 'paused'");
  await session.handle.signal('webhookReceived', { malformed: true });
  await session.status();
  const { events } = await session.handle.fetchHistory();
  expect(events?.filter(({ eventType }) => eventType === UPSERT)).toEqual([]);

  problems = [];
  await session.claimed('work_2');
  await session.idle();
  await isNotFound("SessionAttention = 'skills'");
  // The messages were settled with the turn.
  await isNotFound('SessionAttention IS NOT NULL');
});
