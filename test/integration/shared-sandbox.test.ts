// Sessions of one agent that share a sandbox, with every part as a process of its own; some of the processes die.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workerOfCall, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { sandboxWorkflowId, sharedStatusQuery } from '../../workflows/messages.ts';
import { type CrashWorld, startCrashWorld } from '../crash/crash-world.ts';

vi.setConfig({ testTimeout: 150_000, hookTimeout: 120_000 });

let world: CrashWorld;
beforeAll(async () => {
  world = await startCrashWorld({ settings: async () => ({ ROUTING_SCOPE: 'agent' }) });
});
afterAll(() => world?.close());

const keyOf = (agent: string) => `${world.simulators.anthropic.environmentId}-${agent}`;
async function sandboxesOf(agent: string) {
  const metadata = { managed_by: 'managed-agents-router', shared: keyOf(agent) };
  return world.Sandbox.list({ query: { metadata, state: ['running', 'paused'] } }).nextItems();
}
const shared = (agent: string) => world.temporal.client.workflow.getHandle(sandboxWorkflowId(keyOf(agent)));
const rested = (agent: string) =>
  until('the sandbox is not in use', async () => {
    const found = await sandboxesOf(agent);
    return found.length > 0 && found.every(({ state }) => state === 'paused');
  });
/** Creates an agent and sessions of it. */
async function newAgent(more: object = {}) {
  const agent = await world.anthropic.beta.agents.create({
    name: 'shares',
    model: 'claude-sonnet-4-5',
    tools: [{ type: 'agent_toolset_20260401' }],
    ...more,
  } as never);
  const session = async (resources: unknown[] = []) => {
    const environment_id = world.simulators.anthropic.environmentId;
    return (
      await world.anthropic.beta.sessions.create({ agent: agent.id, environment_id, resources } as never)
    ).id;
  };
  return { id: agent.id, session };
}
const run = async (sessionId: string, ...lines: string[]) =>
  (await takeTurn(world.anthropic, sessionId, commands(...lines))).answer.trim();

it('two sessions of an agent see the same files from their own shells; another agent has its own sandbox', async () => {
  const agent = await newAgent();
  const [one, two] = [await agent.session(), await agent.session()];
  await run(one, 'mkdir -p deep; cd deep; echo from one > shared.txt');
  expect(await run(two, 'pwd; cat deep/shared.txt')).toBe('/mnt/session\nfrom one');
  expect((await statusOf(world, two)).sandboxId).toBe((await statusOf(world, one)).sandboxId);
  expect((await statusOf(world, two)).sharedBy).toBe(sandboxWorkflowId(keyOf(agent.id)));
  expect(await sandboxesOf(agent.id)).toHaveLength(1);
  const other = await (await newAgent()).session();
  expect(await run(other, 'ls')).not.toContain('deep');
});

it('the sandbox is paused only when both sessions are idle, and an interrupt reaches one session only', async () => {
  const agent = await newAgent();
  const [one, two] = [await agent.session(), await agent.session()];
  const busy = takeTurn(world.anthropic, two, commands('sleep 12; echo went on'));
  await sendMessage(world.anthropic, one, commands('sleep 300'));
  await until('both run a call', async () => {
    return (await workerOfCall(world, one)) && (await workerOfCall(world, two));
  });
  await world.anthropic.beta.sessions.events.send(one, { events: [{ type: 'user.interrupt' }] });
  await until('the first one is idle', async () => (await statusOf(world, one)).phase === 'paused');
  expect(await workerOfCall(world, two)).not.toBeNull();
  expect((await sandboxesOf(agent.id)).map(({ state }) => state)).toEqual(['running']);
  expect((await busy).answer.trim()).toBe('went on');
  await rested(agent.id);
  expect(await shared(agent.id).query(sharedStatusQuery)).toMatchObject({ phase: 'paused' });
  expect(await run(one, 'echo back')).toBe('back');
});

it('a lost sandbox is replaced once, and the model of every session is notified', async () => {
  const agent = await newAgent();
  const [one, two] = [await agent.session(), await agent.session()];
  await run(one, 'echo kept > file');
  await run(two, 'cat file');
  const [before] = await sandboxesOf(agent.id);
  await world.admin('e2b', 'POST', `sandboxes/${before?.sandboxId}/vanish`);
  await Promise.all([run(one, 'echo 1'), run(two, 'echo 2')]);
  for (const session of [one, two])
    expect(JSON.stringify(await eventsOf(world.anthropic, session))).toContain(
      'files written earlier no longer',
    );
  const after = await sandboxesOf(agent.id);
  expect(after).toHaveLength(1);
  expect(after[0]?.sandboxId).not.toBe(before?.sandboxId);
});

it.concurrent.each(['sandbox-acquired', 'sandbox-created', 'session-equipped', 'sandbox-paused'] as const)(
  'a worker that dies at %s leaves one sandbox, and all calls run once',
  async (point) => {
    const agent = await newAgent();
    const [one, two] = [await agent.session(), await agent.session()];
    const ofSession = point === 'sandbox-acquired' || point === 'session-equipped';
    const subject = ofSession ? one : sandboxWorkflowId(keyOf(agent.id));
    world.arm(point, subject);
    await Promise.all([run(one, 'echo ran >> count-one'), run(two, 'echo ran >> count-two')]);
    expect(await world.died(point, subject)).toBe(true);
    expect(await run(one, 'cat count-one count-two')).toBe('ran\nran');
    expect(await sandboxesOf(agent.id)).toHaveLength(1);
    await rested(agent.id);
  },
);

it.each([
  ['', false],
  [', though the worker that ends them dies', true],
])(
  'a session that ends takes its processes along, and the sandbox stays for the others%s',
  async (_how, dies) => {
    const agent = await newAgent();
    const [one, two] = [await agent.session(), await agent.session()];
    await run(one, 'echo mine > file; (setsid sleep 777 >/dev/null 2>&1 &)');
    await run(two, '(setsid sleep 888 >/dev/null 2>&1 &)');
    const subject = sandboxWorkflowId(keyOf(agent.id));
    if (dies) world.arm('sessions-dismissed', subject);
    await world.admin('anthropic', 'POST', `sessions/${one}/terminate`);
    await workflowOf(world, one).result();
    const left =
      'cat file; for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done 2>/dev/null | grep "^sleep"';
    expect(await run(two, left)).toBe('mine\nsleep 888');
    if (dies) expect(await world.died('sessions-dismissed', subject)).toBe(true);
  },
);

it('a session with memory stores is refused with the setting to change, and touches no sandbox', async () => {
  const agent = await newAgent();
  const store = await world.anthropic.beta.memoryStores.create({ name: 'notes' } as never);
  const session = await agent.session([
    { type: 'memory_store', memory_store_id: store.id, access: 'read_write' },
  ]);
  await takeTurn(world.anthropic, session, commands('echo never'));
  expect((await statusOf(world, session)).attention[0]?.what).toContain('ROUTING_SCOPE');
  expect(JSON.stringify(await eventsOf(world.anthropic, session))).toContain('cannot share its sandbox');
  expect(await sandboxesOf(agent.id)).toEqual([]);
});
