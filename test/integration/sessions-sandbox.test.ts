// `sessions watch`, `logs` and `files` against a session with every part as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { projectPath } from '../../src/paths.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';
import { onOneLine, runOnTerminal } from './setup-world.ts';

vi.setConfig({ testTimeout: 90_000 });

const DEPLOYMENT = `sandbox-${process.pid}`;

let world: World;
let dir: string;
let temporal: Record<string, string>;
let env: Record<string, string>;
let id: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sessions-sandbox-'));
  temporal = { TEMPORAL_ADDRESS: inject('temporalAddress'), ROUTER_DEPLOYMENT: DEPLOYMENT };
  world = await startTestWorld({
    temporal: { address: temporal.TEMPORAL_ADDRESS as string },
    deployment: DEPLOYMENT,
    graceSeconds: 1,
  });
  const { apiKey, url } = world.simulators.e2b;
  env = { ...temporal, E2B_API_KEY: apiKey, E2B_API_URL: url, E2B_SANDBOX_URL: url };
});
afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

const sessions = (...args: string[]) => runCommand(['sessions', ...args], env);
const stateOf = async () => {
  const { sandboxId } = await statusOf(world, id);
  return (await world.Sandbox.getInfo(sandboxId as string)).state;
};

function watch(...args: string[]) {
  const child = spawn(
    process.execPath,
    [projectPath('src/main.ts'), '--json', 'sessions', 'watch', ...args],
    {
      cwd: dir,
      env: { PATH: process.env.PATH, ...temporal },
    },
  );
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  const steps = (): { kind: string; text: string }[] =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return { child, steps, ended: once(child, 'close').then(([code]) => code as number | null) };
}

it('watch follows a turn step by step, until it is interrupted', async () => {
  id = await openSession(world);
  await takeTurn(world.anthropic, id, script([bash('true')]));
  await until('it is paused', async () => (await statusOf(world, id)).phase === 'paused');
  const { child, steps, ended } = watch(id, '--last', '15');
  const texts = () => steps().map(({ kind, text }) => `${kind}: ${text}`);
  await until('it follows', async () => steps().length > 0);
  await takeTurn(world.anthropic, id, script([bash('echo followed')]));
  const shown = await until('the turn and the pause were shown', async () => {
    const all = texts();
    const at = all.indexOf('done: bash: echo followed');
    return at >= 0 && all.slice(at).some((line) => /^done: .*\bpause /.test(line)) && all;
  });
  expect(shown).toContain('message: webhook session.status_run_started');
  expect(shown).toContain('message: calls requested: bash echo followed');
  expect(shown).toContain('begun: bash: echo followed');
  expect(shown).toContain('phase: paused');
  child.kill('SIGINT');
  expect(await ended).toBe(130);
});

it('logs and files leave a paused sandbox asleep, unless they may wake it', async () => {
  await until('it is paused', async () => (await stateOf()) === 'paused');
  for (const args of [
    ['logs', id],
    ['files', 'get', id, 'a.txt'],
    ['files', 'put', id, join(dir, 'a.txt')],
  ]) {
    await writeFile(join(dir, 'a.txt'), 'from outside');
    const { code, stdout, stderr } = await sessions(...args);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toContain('--wake');
  }
  expect(await stateOf()).toBe('paused');
  const { code, stdout } = await sessions('logs', id, '--wake');
  expect(code).toBe(0);
  expect(stdout).toMatch(/ {2}toolhost started {2}/);
});

it('files are copied both ways, below the folder of the session alone', async () => {
  const put = await sessions('files', 'put', id, join(dir, 'a.txt'), 'sub/a.txt', '--wake');
  expect(put).toMatchObject({ code: 0, stdout: '/mnt/session/sub/a.txt: 12 bytes\n' });
  const copy = join(dir, 'copy.txt');
  expect(await sessions('files', 'get', id, '/mnt/session/sub/a.txt', copy)).toMatchObject({ code: 0 });
  expect(await readFile(copy, 'utf8')).toBe('from outside');
  expect(await sessions('files', 'get', id, 'sub/a.txt', '-')).toMatchObject({ stdout: 'from outside' });
  expect(await sessions('files', 'get', id, 'sub/a.txt', copy)).toMatchObject({ code: 4 });
  expect(await sessions('files', 'get', id, 'missing.txt', join(dir, 'none'))).toMatchObject({ code: 3 });
  await expect(readFile(join(dir, 'none'))).rejects.toThrow();
  for (const path of ['../../etc/passwd', '/etc/passwd', '/mnt/session', 'folder/'])
    expect(await sessions('files', 'get', id, path, join(dir, 'none'))).toMatchObject({ code: 2 });
});

it('a terminal gets a text without control characters, and nothing of what is no text', async () => {
  const sandbox = await world.Sandbox.connect((await statusOf(world, id)).sandboxId as string);
  const write = `cd /mnt/session && printf 'evil\\033[2J\\033]0;title\\007 line\\n' > text && printf 'a\\0b' > bytes`;
  await sandbox.commands.run(write);
  const get = (file: string) => runOnTerminal(dir, ['sessions', 'files', 'get', id, file, '-'], env).ended;
  expect(await get('text')).toMatchObject({ code: 0, stdout: 'evil line\r\n' });
  const refused = await get('bytes');
  expect(refused.code).toBe(4);
  expect(onOneLine(refused.stdout)).toMatch(/^This is no text, .*redirect the output \(> FILE\) $/);
  // Not a terminal: the bytes as they are.
  expect((await sessions('files', 'get', id, 'bytes', '-')).stdout).toBe('a\0b');
});

it('prints no control characters that the model has written to the log', async () => {
  const { sandboxId } = await statusOf(world, id);
  const sandbox = await world.Sandbox.connect(sandboxId as string);
  const line = String.raw`printf 'evil\033[2Jline\a\n{"at":"x","event":"\\u001b]0;title\\u0007"}\n' > /var/log/toolhost/worker.log`;
  await sandbox.commands.run(line, { user: 'root' });
  const { stdout } = await sessions('logs', id);
  expect(stdout).toContain('evilline');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are looked for
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

it('watch ends with its session; an unknown session is refused', async () => {
  const { steps, ended } = watch(id);
  await until('past events are shown', async () => steps().length > 2);
  await workflowOf(world, id).terminate('by a test');
  expect(await ended).toBe(0);
  expect(steps().at(-1)).toMatchObject({ kind: 'ended', text: expect.stringContaining('by a test') });
  expect(await sessions('watch', 'sesn_unknown')).toMatchObject({ code: 3, stdout: '' });
  expect(await sessions('logs', 'sesn_unknown')).toMatchObject({ code: 3, stdout: '' });
});
