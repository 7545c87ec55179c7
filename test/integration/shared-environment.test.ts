// One sandbox for all sessions of an environment, with a limit of one running sandbox and every part as a process of its
// own.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { sandboxWorkflowId } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({
    graceSeconds: 1,
    // The service refuses a second running sandbox, which no session may request.
    switches: ['concurrent-sandboxes=1'],
    settings: async () => ({
      ROUTING_SCOPE: 'environment',
      E2B_MAX_RUNNING_SANDBOXES: '1',
      RECONCILE_SECONDS: '2',
    }),
  });
});
afterAll(() => world?.close());

it('sessions of different agents share one sandbox, at the same time and after its pause', async () => {
  const { environmentId: environment_id } = world.simulators.anthropic;
  const open = async (name: string) => {
    const agent = await world.anthropic.beta.agents.create({
      name,
      model: 'claude-sonnet-5',
      tools: [{ type: 'agent_toolset_20260401' }],
    });
    return (await world.anthropic.beta.sessions.create({ agent: agent.id, environment_id })).id;
  };
  const sessions = [await open('one'), await open('two'), await open('three')];
  const run = async (id: string, line: string) =>
    (await takeTurn(world.anthropic, id, commands(line))).answer.trim();
  const sandboxes = () => world.Sandbox.list({ query: { state: ['running', 'paused'] } }).nextItems();
  await Promise.all(
    sessions.map((id, index) => run(id, `export MINE=${index}; echo ran > by-${index}; sleep 1`)),
  );
  const [made, ...others] = await sandboxes();
  expect(others).toEqual([]);
  for (const id of sessions)
    expect(await statusOf(world, id)).toMatchObject({
      sandboxId: made?.sandboxId,
      sharedBy: sandboxWorkflowId(environment_id),
      attention: [],
    });
  await until('it is paused', async () => (await sandboxes())[0]?.state === 'paused');
  for (const [index, id] of sessions.entries())
    expect(await run(id, 'echo $MINE; cat by-*')).toBe(`${index}\nran\nran\nran`);
  expect((await sandboxes()).map(({ sandboxId }) => sandboxId)).toEqual([made?.sandboxId]);
});

it('the reconcile finds an idle session that has ended although its webhook was lost', async () => {
  const { agentId: agent, environmentId: environment_id } = world.simulators.anthropic;
  const { id } = await world.anthropic.beta.sessions.create({ agent, environment_id });
  await takeTurn(world.anthropic, id, commands('echo here'));
  await until('it sleeps', async () => (await statusOf(world, id)).phase === 'paused');
  await world.admin('anthropic', 'POST', 'faults', { route: 'webhook.deliver', kind: 'lost' });
  await world.anthropic.beta.sessions.archive(id);
  expect(await workflowOf(world, id).result()).toBe('archived');
});
