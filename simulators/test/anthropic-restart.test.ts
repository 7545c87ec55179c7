import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Anthropic from '@anthropic-ai/sdk';
import { build } from 'esbuild';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { agentMessages, clientOf, message, startFixture, turnEnded } from './managed-agents.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, '.cache', 'test', 'simulate.mjs');

interface Ready {
  anthropic: { url: string; apiKey: string; environmentId: string; environmentKey: string; agentId: string };
  adminToken: string;
}

let stateDir: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  await build({
    entryPoints: [join(root, 'simulators/main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'managed-agents-restart-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(stateDir, { recursive: true, force: true });
});

/** Starts the program of `npm run simulate` without npm. */
function simulate(...args: string[]): { child: ChildProcess; ready: Promise<Ready>; output: string[] } {
  const child = spawn(process.execPath, [program, '--only', 'anthropic', '--log-level', 'silent', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: stateDir },
  });
  children.push(child);
  const output: string[] = [];
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ready = new Promise<Ready>((resolve) => {
    lines.on('line', (line) => {
      output.push(line);
      resolve(JSON.parse(line) as Ready);
    });
  });
  return { child, ready, output };
}

test('a kill at any moment loses nothing that was answered; the model and the leases go on', async () => {
  const first = simulate('--state', stateDir, '--set', 'lease-ttl-seconds=60', '--set', 'model-delay-ms=100');
  const before = await first.ready;
  const { url, apiKey, environmentId, environmentKey, agentId } = before.anthropic;
  const organization = clientOf(url, apiKey);
  const work = clientOf(url, environmentKey).beta.environments.work;
  const { sessions } = organization.beta;
  const create = async (text: string) =>
    (
      await sessions.create({
        agent: agentId,
        environment_id: environmentId,
        initial_events: [message(text)],
      })
    ).id;

  const waits = await create('Use bash to true.');
  const item = await work.poll(environmentId);
  await work.ack(item?.id ?? '', { environment_id: environmentId });
  const beat = { environment_id: environmentId, expected_last_heartbeat: 'NO_HEARTBEAT' };
  const { last_heartbeat } = await work.heartbeat(item?.id ?? '', beat);
  await expect.poll(async () => (await sessions.retrieve(waits)).status).toBe('idle');
  const thinks = await create('hello');
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const second = simulate('--state', stateDir);
  expect(await second.ready).toEqual(before);
  await expect.poll(async () => (await sessions.retrieve(thinks)).status).toBe('idle');
  const on = { environment_id: environmentId, expected_last_heartbeat: last_heartbeat };
  expect(await work.heartbeat(item?.id ?? '', on)).toMatchObject({ lease_extended: true, ttl_seconds: 60 });
  const events = (await sessions.events.list(waits)).data;
  const call = events.find((event) => event.type === 'agent.tool_use');
  await sessions.events.send(waits, {
    events: [
      { type: 'user.tool_result', tool_use_id: call?.id ?? '', content: [{ type: 'text', text: 'ok' }] },
    ],
  });
  await expect
    .poll(async () => agentMessages((await sessions.events.list(waits)).data), { timeout: 5000 })
    .toEqual(['ok']);
  expect((await work.poll(environmentId))?.data.id).toBe(thinks);
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it cleanly, and one line was printed', async (signal) => {
  const { child, ready, output } = simulate();
  const { anthropic, adminToken } = await ready;
  expect(Object.keys(anthropic).sort()).toEqual([
    'agentId',
    'apiKey',
    'environmentId',
    'environmentKey',
    'url',
    'webhookSigningKey',
  ]);
  expect(adminToken).toEqual(expect.any(String));
  const session = clientOf(anthropic.url, anthropic.apiKey).beta.sessions;
  const { id } = await session.create({ agent: anthropic.agentId, environment_id: anthropic.environmentId });
  // An open stream must not delay the shutdown.
  const stream = await session.events.stream(id);
  child.kill(signal);
  expect(await once(child, 'exit')).toEqual([0, null]);
  stream.controller.abort();
  expect(output).toHaveLength(1);
  expect(await readdir(stateDir)).toEqual([]);
});

test.each([
  [['--only', 'nothing'], '--only takes'],
  [['--anthropic-port', 'x'], '--anthropic-port takes'],
  [['--set', 'tool-rounds=maybe'], 'one of idle, running'],
  [['--set', 'nonsense=1'], 'unknown switch nonsense'],
  [['--nonsense'], '--nonsense'],
])('the options %j are refused', async (args, words) => {
  const { child, output } = simulate(...args);
  let text = '';
  child.stderr?.on('data', (chunk) => {
    text += chunk;
  });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(text).toContain(words);
  expect(output).toEqual([]);
});

test('a restart keeps switches, webhooks in flight and the clock', async () => {
  const webhookUrl = 'http://127.0.0.1:9/closed';
  const first = await startFixture({ stateDir, webhookUrl, switches: { 'ack-twice': '404' } });
  await first.admin('POST', '/clock', { advanceMs: 3_600_000 });
  const session = await first.startSession('hello');
  await first.eventsUntil(session, turnEnded);
  await first.close();
  const second = await startFixture({ stateDir });
  const { now } = (await second.admin('GET', '/clock')) as unknown as { now: string };
  expect(Date.parse(now) - Date.now()).toBeGreaterThan(3_500_000);
  expect(await second.admin('GET', '/switches')).toMatchObject({ 'ack-twice': '404' });
  const { deliveries } = (await second.admin('GET', '/state')) as { deliveries?: Record<string, unknown> };
  expect(Object.values(deliveries ?? {})).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
  await second.close();
});

test('faults before and after the commit, delays, refusals with Retry-After, dropped connections', async () => {
  const fixture = await startFixture({ stateDir });
  const work = fixture.environment.beta.environments.work;
  const inject = (kind: string, more = {}) => fixture.admin('POST', '/faults', { kind, times: 1, ...more });
  const session = await fixture.startSession('Use bash to true.');
  const [call] = await fixture.calls(session, 1);
  const post = () =>
    fixture.send(session, fixture.result(call?.id ?? '', 'ok')).catch((error: unknown) => error);
  try {
    await inject('status', { route: 'events.send', status: 529 });
    expect(await post()).toMatchObject({ status: 529, type: 'overloaded_error' });
    await inject('drop', { route: 'events.send' });
    expect(await post()).toBeInstanceOf(Anthropic.APIConnectionError);
    await inject('status', { route: 'events.send', retryAfter: 7 });
    const limited = (await post()) as InstanceType<typeof Anthropic.RateLimitError>;
    expect([limited.status, limited.headers?.get('retry-after')]).toEqual([429, '7']);
    await inject('commit-then-status', { route: 'events.send', status: 503 });
    expect(await post()).toMatchObject({ status: 503 });
    expect(await post()).toMatchObject({ status: 400 });
    const item = await fixture.poll();
    await inject('commit-then-drop', { route: 'work.ack' });
    const ack = work.ack(item.id, { environment_id: fixture.environmentId }).catch((error: unknown) => error);
    expect(await ack).toBeInstanceOf(Anthropic.APIConnectionError);
    const shown = await fixture.organization.beta.environments.work.retrieve(item.id, {
      environment_id: fixture.environmentId,
    });
    expect(shown.state).toBe('starting');
  } finally {
    await fixture.close();
  }
});
