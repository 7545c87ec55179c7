// What happens in a session, with every part as a process of its own: approvals, tools of others, interrupts, large
// arguments, ends, and a session that continues after its workflow has ended.
import { setTimeout as sleep } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { WorkflowNotFoundError } from '@temporalio/client';
import { NotFoundError } from 'e2b';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workerOfCall, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { startTestWorld } from '../test-world.ts';

// A case takes seconds, and on a busy machine tens of seconds.
vi.setConfig({ testTimeout: 90_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 1 });
});
afterAll(() => world?.close());

const send = (sessionId: string, event: object) =>
  world.anthropic.beta.sessions.events.send(sessionId, { events: [event as never] });
const status = async (sessionId: string) => {
  try {
    return await statusOf(world, sessionId);
  } catch (error) {
    // Its first webhook is still on the way.
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
};
const inPhase = (sessionId: string, phase: string) =>
  until(`the session is ${phase}`, async () => {
    const seen = await status(sessionId);
    return seen?.phase === phase && seen;
  });
const endOfTurn = (sessionId: string) =>
  until('the turn ends', async () => {
    const last = (await eventsOf(world.anthropic, sessionId)).findLast(
      (event) => event.type === 'session.status_idle',
    );
    return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn' && last;
  });
/** The session's sandbox, once it is paused. */
const paused = (sessionId: string) =>
  until('the sandbox is paused', async () => {
    const { sandboxId } = (await status(sessionId)) ?? {};
    return sandboxId && (await world.Sandbox.getInfo(sandboxId)).state === 'paused' && sandboxId;
  });
const openWork = async (sessionId: string) => {
  const { environmentId, environmentKey, url } = world.simulators.anthropic;
  const worker = new Anthropic({ authToken: environmentKey, apiKey: null, baseURL: url });
  const { data } = await worker.beta.environments.work.list(environmentId, { limit: 100 });
  return data.filter((item) => item.data.id === sessionId && item.state !== 'stopped');
};
const inSandbox = async (sandboxId: string | null, command: string) => {
  const sandbox = await world.Sandbox.connect(sandboxId ?? '', { timeoutMs: 600_000 });
  return (await sandbox.commands.run(command)).stdout.trim();
};

it('pauses the sandbox while a call is awaiting approval; runs the call if allowed, never if denied', async () => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, script(bash('echo run > ran.txt', { permission: 'ask' })));
  const held = await inPhase(sessionId, 'waiting for approval');
  const sandboxId = await paused(sessionId);
  expect(held.openCalls).toMatchObject([{ name: 'bash', state: 'waiting for approval' }]);
  await until('no activity is under way, and none needs a slot', async () => {
    const { raw } = await workflowOf(world, sessionId).describe();
    return (raw.pendingActivities?.length ?? 0) === 0;
  });
  // The work item is kept, because the service would not offer it again.
  expect(await openWork(sessionId)).toMatchObject([{ state: 'active' }]);
  const confirmation = { type: 'user.tool_confirmation', tool_use_id: held.openCalls[0]?.id };
  await send(sessionId, { ...confirmation, result: 'allow' });
  await endOfTurn(sessionId);
  expect((await status(sessionId))?.sandboxId).toBe(sandboxId);

  await sendMessage(world.anthropic, sessionId, script(bash('rm ran.txt', { permission: 'ask' })));
  const asked = await inPhase(sessionId, 'waiting for approval');
  const denial = { type: 'user.tool_confirmation', tool_use_id: asked.openCalls[0]?.id, result: 'deny' };
  await send(sessionId, denial);
  await endOfTurn(sessionId);
  expect(await inSandbox(sandboxId, 'cat /mnt/session/ran.txt')).toBe('run');
});

it('pauses the sandbox while only tools of others have to answer', async () => {
  const agent = await world.anthropic.beta.agents.create({
    name: 'asks a person',
    model: 'claude-sonnet-5',
    tools: [
      { type: 'agent_toolset_20260401' },
      { type: 'custom', name: 'ask_person', description: 'Asks', input_schema: { type: 'object' } },
    ],
  });
  const session = await world.anthropic.beta.sessions.create({
    agent: agent.id,
    environment_id: world.simulators.anthropic.environmentId,
  });
  // Parallel calls: ours is answered at once and does not wait; a tool that the router does not know is left to others.
  await sendMessage(
    world.anthropic,
    session.id,
    script([bash('echo ours'), { name: 'ask_person' }, { name: 'frobnicate' }], bash('echo after')),
  );
  const waiting = await inPhase(session.id, 'waiting');
  expect(waiting).toMatchObject({ openCalls: [], callsDone: 1 });
  await paused(session.id);
  const events = await eventsOf(world.anthropic, session.id);
  const custom = events.find((event) => event.type === 'agent.custom_tool_use');
  const unknown = events.find((event) => event.type === 'agent.tool_use' && event.name === 'frobnicate');
  const content = [{ type: 'text', text: 'answered elsewhere' }];
  await send(session.id, { type: 'user.custom_tool_result', custom_tool_use_id: custom?.id, content });
  await send(session.id, { type: 'user.tool_result', tool_use_id: unknown?.id, content });
  await endOfTurn(session.id);
  expect((await status(session.id))?.callsDone).toBe(2);
});

it('ends a running command and all it started within two seconds of an interrupt, and takes the next message', async () => {
  const sessionId = await openSession(world);
  const marks = ['4321.1', '4321.2', '4321.3'];
  const [first, second, third] = marks;
  await sendMessage(
    world.anthropic,
    sessionId,
    script(bash(`sleep ${first} & (sleep ${second} &) ; setsid sleep ${third}`)),
  );
  await until('the call runs', () => workerOfCall(world, sessionId));
  const { sandboxId } = (await status(sessionId)) ?? { sandboxId: null };
  const alive = () => inSandbox(sandboxId, `pgrep -cf '^sleep 4321[.]' || true`);
  await until('all three run', async () => (await alive()) === '3');
  await send(sessionId, { type: 'user.interrupt' });
  const interrupted = Date.now();
  const next = sendMessage(world.anthropic, sessionId, commands('echo next'));
  await until('all are dead', async () => (await alive()) === '0');
  expect(Date.now() - interrupted).toBeLessThan(10_000);
  await next;
  await until('the next message is answered', async () => {
    const events = await eventsOf(world.anthropic, sessionId);
    return events.some((event) => event.type === 'agent.message' && JSON.stringify(event).includes('next'));
  });
});

it('accepts arguments of five megabytes, and reports arguments that are too large', async () => {
  const sessionId = await openSession(world);
  const write = (size: number) => ({
    name: 'write',
    input: { file_path: 'large.txt', content: 'x'.repeat(size) },
  });
  const { answer } = await takeTurn(
    world.anthropic,
    sessionId,
    script(write(5_000_000), bash('wc -c < large.txt')),
  );
  expect(answer.trim()).toBe('5000000');
  const refused = await takeTurn(world.anthropic, sessionId, script(write(9_000_000)));
  expect(refused.stopReason).toBe('end_turn');
  expect(refused.answer).toMatch(/413|too large/);
});

it.each(['archive', 'delete'] as const)(
  'kills the sandbox when the session gets the request: %s',
  async (end) => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands('echo farewell'));
    const sandboxId = (await status(sessionId))?.sandboxId ?? '';
    await sleep(100);
    await world.anthropic.beta.sessions[end](sessionId);
    // The events of an archived session report that it was terminated, and may arrive before the webhook.
    const reasons = end === 'archive' ? ['archived', 'terminated'] : ['deleted'];
    expect(reasons).toContain(await workflowOf(world, sessionId).result());
    await expect(world.Sandbox.getInfo(sandboxId)).rejects.toBeInstanceOf(NotFoundError);
  },
);

it('finds the sandbox again for a session that continues after its workflow has ended', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo still here > notes.txt'));
  const before = await inPhase(sessionId, 'paused');
  await workflowOf(world, sessionId).cancel();
  await workflowOf(world, sessionId)
    .result()
    .catch(() => undefined);
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat notes.txt'));
  expect(answer.trim()).toBe('still here');
  expect((await status(sessionId))?.sandboxId).toBe(before.sandboxId);
});
