// The commands that put sessions right while the services or the worker fail, with every part as a process of its own:
// each result arrives once, each command in the sandbox runs once, and what was accepted is done by the next worker.
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workerOfCall, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { turnEnded } from '../../simulators/test/managed-agents.ts';
import type { UpdateAnswer } from '../../workflows/updates.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

let world: World;
let env: Record<string, string>;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 60 });
  env = { TEMPORAL_ADDRESS: world.temporal.connection.options.address as string };
});
afterAll(() => world?.close());
afterEach(async () => {
  await world.admin('anthropic', 'DELETE', 'faults');
  await world.admin('e2b', 'DELETE', 'faults');
});

const run = (...args: string[]) => runCommand([...args, '--as', 'anna'], env);
const failPosts = (match: string, status: number) =>
  world.admin('anthropic', 'POST', 'faults', { route: 'events.send', kind: 'status', status, match });
const count = async (sessionId: string, type: string) =>
  (await eventsOf(world.anthropic, sessionId)).filter((event) => event.type === type).length;
const announced = (sessionId: string) =>
  until('the call is announced', async () =>
    (await eventsOf(world.anthropic, sessionId)).find(({ type }) => type === 'agent.tool_use'),
  );
const ended = (sessionId: string) =>
  until('the turn ends', async () => (await eventsOf(world.anthropic, sessionId)).some(turnEnded), 120_000);
const sandboxOf = async (session: string) => {
  const query = { metadata: { session }, state: ['running', 'paused'] as ('running' | 'paused')[] };
  return (await world.Sandbox.list({ query }).nextItems())[0];
};
/** How often the command has run that adds a line to `runs`. */
async function runs(sessionId: string): Promise<number> {
  const sandbox = await world.Sandbox.connect((await sandboxOf(sessionId))?.sandboxId ?? '');
  const { stdout } = await sandbox.commands.run('cat /mnt/session/runs 2>/dev/null | wc -l');
  return Number(stdout.trim());
}
const SLOW = 'echo run >> runs; sleep 2; echo over';

it.each([
  ['a result that the service refused for good', 404],
  ['a result that the service could not take', 503],
])('repost: %s arrives once, and its command ran once', async (_what, status) => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands(SLOW));
  const call = await announced(sessionId);
  await failPosts(call.id, status);
  await until('the call has run', async () => {
    const { openCalls, callsDone } = await statusOf(world, sessionId);
    return status === 404 ? callsDone === 1 : openCalls[0]?.state === 'unposted';
  });
  if (status === 404) expect((await run('sessions', 'repost', sessionId)).code).toBe(1);
  expect(await count(sessionId, 'user.tool_result')).toBe(0);
  await world.admin('anthropic', 'DELETE', 'faults');
  const { code, stdout } = await run('sessions', 'repost', sessionId, '--call', call.id);
  expect(stdout).toMatch(new RegExp(`The service has the result of ${call.id}`));
  expect(code).toBe(0);
  await ended(sessionId);
  expect(await count(sessionId, 'user.tool_result')).toBe(1);
  expect(await runs(sessionId)).toBe(1);
});

it('answer: a call that does not run is answered by hand, once, and never runs', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('true'));
  expect((await run('sessions', 'pause', sessionId)).code).toBe(0);
  await sendMessage(world.anthropic, sessionId, commands(SLOW));
  const open = await until('the call waits', async () => (await statusOf(world, sessionId)).openCalls[0]);
  const answer = ['sessions', 'answer', sessionId, '--call', open.id, '--text', 'It is 42.'];
  expect(await run(...answer, '--update-id', 'by-hand')).toMatchObject({ code: 0 });
  expect(await run(...answer, '--update-id', 'by-hand')).toMatchObject({ code: 0 });
  expect((await run('sessions', 'resume', sessionId)).code).toBe(0);
  await until('the turn ends', async () => (await count(sessionId, 'session.status_idle')) >= 2);
  expect(await count(sessionId, 'user.tool_result')).toBe(2);
  expect(JSON.stringify(await eventsOf(world.anthropic, sessionId))).toContain('It is 42.');
  expect(await runs(sessionId)).toBe(0);
});

it('interrupt: an answer that is lost is not asked for twice', async () => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('sleep 100'));
  await until('the call runs', () => workerOfCall(world, sessionId));
  const fault = { route: 'events.send', kind: 'commit-then-drop', match: 'user.interrupt', times: 1 };
  await world.admin('anthropic', 'POST', 'faults', fault);
  expect((await run('sessions', 'interrupt', sessionId)).code).toBe(0);
  await ended(sessionId);
  expect(await count(sessionId, 'user.interrupt')).toBe(1);
});

it.each([401, 403])('interrupt: says which key may, where ours may not (%i)', async (status) => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('sleep 100'));
  await until('the call runs', () => workerOfCall(world, sessionId));
  await failPosts('user.interrupt', status);
  const { code, stdout } = await run('sessions', 'interrupt', sessionId);
  expect(stdout).toMatch(/An API key of the organisation may/);
  expect(code).toBe(1);
  await world.admin('anthropic', 'DELETE', 'faults');
  expect((await run('sessions', 'interrupt', sessionId)).code).toBe(0);
  await ended(sessionId);
});

it('the next worker completes what a killed worker had accepted, once', async () => {
  const ids: Record<string, string> = {};
  const open = async (name: string, text: string) => {
    ids[name] = await openSession(world);
    await sendMessage(world.anthropic, ids[name], text);
  };
  await open('pause', commands('echo run >> runs; sleep 12'));
  await open('interrupt', commands('sleep 300'));
  await open('repost', commands(SLOW));
  for (const name of ['replaceSandbox', 'end']) await open(name, commands('echo kept > kept'));
  const { pause = '', interrupt = '', repost = '', replaceSandbox = '', end = '' } = ids;
  const call = await announced(repost);
  await failPosts(call.id, 503);
  for (const id of [replaceSandbox, end])
    await until(
      'the turn is over',
      async () => (await statusOf(world, id).catch(() => null))?.phase === 'idle',
    );
  await until(
    'the result is kept',
    async () => (await statusOf(world, repost)).openCalls[0]?.state === 'unposted',
  );
  await until(
    'the calls run',
    async () => (await workerOfCall(world, pause)) && (await workerOfCall(world, interrupt)),
  );
  await failPosts('user.interrupt', 503);
  await world.admin('e2b', 'POST', 'faults', { route: 'sandbox.kill', kind: 'status', status: 503 });

  const asked = Object.entries(ids).map(([name, id]) => ({
    name,
    answer: workflowOf(world, id).executeUpdate<UpdateAnswer, [object]>(name, { args: [{ by: 'anna' }] }),
  }));
  for (const [name, id] of Object.entries(ids))
    await until(`${name} is accepted`, async () => {
      const { events } = await workflowOf(world, id).fetchHistory();
      return events?.some((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    });
  await world.workers.at(-1)?.kill();
  await world.admin('anthropic', 'DELETE', 'faults');
  await world.admin('e2b', 'DELETE', 'faults');
  await world.addWorker();

  for (const { name, answer } of asked) expect((await answer).outcome, name).toMatch(/^(done|pending)$/);
  await until('the session rests', async () => (await sandboxOf(pause))?.state === 'paused', 120_000);
  expect(await count(pause, 'user.tool_result')).toBe(1);
  await ended(interrupt);
  expect(await count(interrupt, 'user.interrupt')).toBe(1);
  await ended(repost);
  expect(await count(repost, 'user.tool_result')).toBe(1);
  expect(await runs(repost)).toBe(1);
  for (const id of [replaceSandbox, end])
    await until('its sandbox is killed', async () => !(await sandboxOf(id)), 60_000);
  expect(await workflowOf(world, end).result()).toBe('ended by anna');
  const { answer } = await takeTurn(world.anthropic, replaceSandbox, commands('cat kept || echo none'));
  expect(answer).toMatch(/A person has replaced the sandbox of this session[\s\S]*none/);
});
