// The ends of turns and sessions, sessions with threads, and a session with thousands of events, with every part as a
// process of its own: each end leaves the sandbox paused or killed as it should be.
import { NotFoundError } from 'e2b';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workerOfCall, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 0.5, switches: ['model-delay-ms=0'] });
});
afterAll(() => world?.close());

const dollars = (amount: string) => ({ type: 'limit', max_list_cost: { amount, currency: 'USD' } }) as const;
/** The session's sandbox, once it is paused. */
const paused = (sessionId: string) =>
  until('the sandbox is paused', async () => {
    const { sandboxId } = await statusOf(world, sessionId);
    return sandboxId && (await world.Sandbox.getInfo(sandboxId)).state === 'paused' && sandboxId;
  });
const openItems = async (sessionId: string) => {
  const { work } = (await world.admin('anthropic', 'GET', 'state')) as {
    work: Record<string, { state: string; data: { id: string } }>;
  };
  return Object.values(work).filter(({ state, data }) => data.id === sessionId && state !== 'stopped');
};

it.concurrent.each([
  ['a refusal', 'refusal', [{ refuse: 'cyber', explanation: 'No.' }]],
  [
    'retries that are exhausted',
    'retries_exhausted',
    [{ error: 'model_overloaded_error', end: 'exhausted' }],
  ],
  ['its budget', 'budget_reached', [{ spend_cents: 100 }, bash('echo more > kept')]],
])(
  'a turn that ends with %s lets the sandbox rest, and the next one finds its files',
  async (_what, reason, end) => {
    const { agentId: agent, environmentId: environment_id } = world.simulators.anthropic;
    const budget = reason === 'budget_reached' ? { budget: dollars('50') } : {};
    const { id } = await world.anthropic.beta.sessions.create({ agent, environment_id, ...budget });
    const { stopReason } = await takeTurn(world.anthropic, id, script(bash('echo kept > kept'), ...end));
    expect(stopReason).toBe(reason);
    const before = await paused(id);
    expect(await openItems(id)).toEqual([]);
    if (reason === 'budget_reached') {
      // With a larger budget the turn continues by itself.
      await world.anthropic.beta.sessions.update(id, { budget: dollars('500') });
      await until('the turn goes on and ends', async () => {
        const last = (await eventsOf(world.anthropic, id)).findLast(
          ({ type }) => type === 'session.status_idle',
        );
        return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn';
      });
    }
    const { events } = await takeTurn(world.anthropic, id, commands('cat kept; ls'));
    expect(JSON.stringify(events.filter(({ type }) => type === 'user.tool_result'))).toContain('kept');
    expect(await paused(id)).toBe(before);
  },
);

it.concurrent('an error that ends the session ends its workflow, and kills its sandbox', async () => {
  const id = await openSession(world);
  await takeTurn(world.anthropic, id, commands('echo here'));
  const sandboxId = await paused(id);
  await sendMessage(world.anthropic, id, script({ error: 'billing_error', end: 'terminal' }));
  expect(await workflowOf(world, id).result()).toBe('terminated');
  await expect(world.Sandbox.getInfo(sandboxId)).rejects.toBeInstanceOf(NotFoundError);
  // The workflow may learn of the end before the turn's work item is claimed.
  await until('no item is open', async () => (await openItems(id)).length === 0);
});

it.concurrent('calls of several threads run at the same time in one sandbox, each once', async () => {
  const id = await openSession(world);
  const thread = (name: string) => ({
    name,
    terminate: name === 'b',
    steps: [bash(`echo ${name} >> count`), bash(`sleep 1; echo ${name} >> count`)],
  });
  const { events } = await takeTurn(
    world.anthropic,
    id,
    script({ threads: [thread('a'), thread('b')] }, bash('sort count | uniq -c')),
  );
  const results = events.filter((event) => event.type === 'user.tool_result');
  expect(results).toHaveLength(5);
  expect(JSON.stringify(results.at(-1))).toMatch(/2 a\\n +2 b/);
});

it.concurrent('a thread that terminates ends its open call, and the turn continues', async () => {
  const id = await openSession(world);
  const steps = [{ threads: [{ name: 'a', steps: [bash('echo $$ > pid; sleep 300')] }] }];
  const turn = takeTurn(
    world.anthropic,
    id,
    script(...steps, bash('ps -o args= -p $(cat pid) || echo gone')),
  );
  await until('the call runs', () => workerOfCall(world, id));
  const call = (await eventsOf(world.anthropic, id)).find((event) => event.type === 'agent.tool_use');
  const threadId = call?.type === 'agent.tool_use' ? call.session_thread_id : null;
  await world.admin('anthropic', 'POST', `sessions/${id}/threads/${threadId}/terminate`);
  expect((await turn).answer.trim()).toBe('gone');
});

it.concurrent('a follow-up works in a session with five thousand events', async () => {
  const id = await openSession(world);
  await takeTurn(
    world.anthropic,
    id,
    script(...Array(1_670).fill({ say: 'more' }), bash('echo kept > kept')),
  );
  await paused(id);
  expect((await eventsOf(world.anthropic, id)).length).toBeGreaterThan(5_000);
  const { answer } = await takeTurn(world.anthropic, id, commands('cat kept'));
  expect(answer.trim()).toBe('kept');
  await paused(id);
  const { events } = await workflowOf(world, id).fetchHistory();
  expect(events?.filter((event) => event.activityTaskFailedEventAttributes)).toEqual([]);
  // Events that concern only the session's threads do not grow the workflow's history.
  expect(events?.length).toBeLessThan(200);
});
