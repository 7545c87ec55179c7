// The commands that put a session right, with every part as a process of its own: what the services saw.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workerOfCall } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: World;
let env: Record<string, string>;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 60 });
  const address = world.temporal.connection.options.address as string;
  env = { TEMPORAL_ADDRESS: address };
});
afterAll(() => world?.close());

const sandboxesOf = (session: string) =>
  world.Sandbox.list({ query: { metadata: { session }, state: ['running', 'paused'] } }).nextItems();
const run = (...args: string[]) => runCommand([...args, '--as', 'anna'], env);

it('pauses a session, keeps a new turn waiting, and goes on after resume', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo first > file'));
  const paused = await run('sessions', 'pause', sessionId);
  expect(paused).toMatchObject({ code: 0, stdout: expect.stringMatching(/is paused[\s\S]*Kept: /) });
  expect((await sandboxesOf(sessionId))[0]?.state).toBe('paused');
  expect((await run('sessions', 'pause', sessionId)).stdout).toMatch(/paused already, by anna/);
  await sendMessage(world.anthropic, sessionId, commands('cat file'));
  await until(
    'the call waits',
    async () => (await statusOf(world, sessionId)).openCalls[0]?.state === 'open',
  );
  expect((await sandboxesOf(sessionId))[0]?.state).toBe('paused');
  expect((await run('sessions', 'end', sessionId, '--yes')).code).toBe(4);
  expect((await run('sessions', 'resume', sessionId)).code).toBe(0);
  await until('the turn is over', async () => {
    const last = (await eventsOf(world.anthropic, sessionId)).at(-1);
    return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn';
  });
});

it('interrupts a call, replaces the sandbox, and ends the session', async () => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('sleep 100'));
  await until('the call runs', () => workerOfCall(world, sessionId));
  expect((await run('sessions', 'interrupt', sessionId)).code).toBe(0);
  await until('no call is open', async () => (await statusOf(world, sessionId)).openCalls.length === 0);
  const types = (await eventsOf(world.anthropic, sessionId)).map(({ type }) => type);
  expect(types.filter((type) => type === 'user.interrupt')).toHaveLength(1);

  const [before] = await sandboxesOf(sessionId);
  expect((await run('sessions', 'replace-sandbox', sessionId)).code).toBe(2);
  expect((await run('sessions', 'replace-sandbox', sessionId, '--yes')).code).toBe(0);
  expect(await sandboxesOf(sessionId)).toEqual([]);
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('echo again'));
  expect(answer).toMatch(/A person has replaced the sandbox of this session[\s\S]*again/);
  expect((await sandboxesOf(sessionId))[0]?.sandboxId).not.toBe(before?.sandboxId);

  expect((await run('sessions', 'answer', sessionId, '--call', 'sevt_none', '--text', 'x')).code).toBe(3);
  expect((await run('sessions', 'repost', sessionId)).code).toBe(4);
  expect(await run('sessions', 'end', sessionId)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Nothing was done: repeat the command with --yes'),
  });
  expect(await sandboxesOf(sessionId)).toHaveLength(1);
  expect((await run('sessions', 'end', sessionId, '--yes')).code).toBe(0);
  expect(await sandboxesOf(sessionId)).toEqual([]);
  for (const command of ['pause', 'end', 'replace-sandbox'])
    expect((await run('sessions', command, 'sesn_unknown')).code).toBe(3);
});

it('drains an environment: a new session waits until resume', async () => {
  const { environmentId } = world.simulators.anthropic;
  expect((await run('environments', 'drain', environmentId)).code).toBe(0);
  // Without an id: the only environment that is served or configured.
  expect((await run('environments', 'reconcile')).stdout).toMatch(/^Reconciled: /);
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('echo late'));
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect((await eventsOf(world.anthropic, sessionId)).map(({ type }) => type)).not.toContain(
    'user.tool_result',
  );
  const configured = { ...env, ANTHROPIC_ENVIRONMENT_ID: environmentId };
  expect((await runCommand(['environments', 'resume'], configured)).code).toBe(0);
  await until('the turn is over', async () =>
    (await eventsOf(world.anthropic, sessionId)).some(({ type }) => type === 'user.tool_result'),
  );
});

it('asks for the id of an environment where several are configured', async () => {
  const ROUTER_CONFIG_FILE = join(world.logDir, 'two.yaml');
  writeFileSync(ROUTER_CONFIG_FILE, 'environments: [{ id: env_a }, { id: env_b }]');
  expect(await runCommand(['environments', 'drain'], { ...env, ROUTER_CONFIG_FILE })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Give the id of one environment: env_a, env_b'),
  });
});

it('says at once that no worker runs', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('true'));
  for (const worker of world.workers) await worker.kill();
  const late = await run('sessions', 'pause', sessionId, '--timeout', '3s');
  // Temporal lists a dead worker for a minute or so: until then the time-out ends the command.
  expect([1, 5]).toContain(late.code);
  expect(late.stderr).toMatch(/No worker polls|did not answer in time/);
});
