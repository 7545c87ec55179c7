// Local sandboxes survive a restart of the simulator, and leave nothing behind when they end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Sandbox } from 'e2b';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../e2b/isolation/agent-bundle.ts';
import type { RunningE2B } from '../e2b/server.ts';
import { bound, startE2BSimulator } from './e2b-simulator.ts';

let program: string;
let programs: string;
let stateDir: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  // Below the package, so that Node finds its dependencies.
  await mkdir(join(PACKAGE_ROOT, '.cache'), { recursive: true });
  programs = await mkdtemp(join(PACKAGE_ROOT, '.cache/test-'));
  program = join(programs, 'e2b.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'e2b-process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
afterAll(() => rm(programs, { recursive: true, force: true }));
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'e2b-'));
});
afterEach(async () => {
  child?.kill('SIGKILL');
  // Removes the sandboxes that a failed test has left behind.
  await (await startE2BSimulator({ stateDir })).end();
});

type Reached = Pick<RunningE2B, 'url' | 'apiKey' | 'adminToken'>;

async function start(port = 0): Promise<Reached> {
  child = spawn(process.execPath, [program, JSON.stringify({ stateDir, port })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [line] = (await once(lines, 'line')) as [string];
  return JSON.parse(line) as Reached;
}

async function kill(): Promise<void> {
  const ended = once(child as ChildProcess, 'exit');
  child?.kill('SIGKILL');
  await ended;
}

const hostPid = async ({ sandboxId }: Sandbox) =>
  Number(await readFile(join(stateDir, 'sandboxes', sandboxId, 'pid'), 'utf8'));

/** Whether a process exists and is not a zombie. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Control groups of these sandboxes, their processes and mounts. */
function traces(ids: string[]): string[] {
  const groups = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .flatMap((line) => ids.map((id) => join(line.split(' ')[4] ?? '', `e2b-${id}`)))
    .filter((path) => existsSync(path));
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && runs(Number(name)))
    .filter((pid) => {
      try {
        const groupsOf = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
        return ids.some((id) => groupsOf.includes(id));
      } catch {
        return false;
      }
    });
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => ids.some((id) => line.includes(id)));
  return [...groups, ...processes, ...mounts];
}

test('after a kill, the simulator takes over its sandboxes again', async () => {
  const first = await start();
  const { Sandbox, admin } = bound(first);
  const running = await Sandbox.create('base', { timeoutMs: 3_600_000, metadata: { kind: 'running' } });
  const paused = await Sandbox.create('base', { timeoutMs: 3_600_000 });
  const due = await Sandbox.create('base', { timeoutMs: 1_800_000, lifecycle: { onTimeout: 'pause' } });
  const loop = 'n=0; while :; do n=$((n+1)); echo $n > /tmp/ticks; sleep 0.01; done';
  const counters = await Promise.all(
    [running, paused].map((sandbox) => sandbox.commands.run(loop, { background: true, timeoutMs: 0 })),
  );
  for (const counter of counters) counter.wait().catch(() => undefined);
  await paused.pause();
  await admin('POST', '/clock', { advanceMs: 60_000 });
  const pids = await Promise.all([running, paused, due].map(hostPid));
  await kill();
  expect(pids.filter(runs)).toEqual(pids);

  const second = await start(Number(new URL(first.url).port));
  expect(second).toEqual(first);
  const ticks = Number(await running.files.read('/tmp/ticks'));
  await expect.poll(async () => Number(await running.files.read('/tmp/ticks'))).toBeGreaterThan(ticks);
  expect((await running.commands.list()).map(({ pid }) => pid)).toEqual([counters[0]?.pid]);
  const info = await Sandbox.getInfo(running.sandboxId);
  expect([info.state, info.metadata]).toEqual(['running', { kind: 'running' }]);
  expect((await Sandbox.getInfo(paused.sandboxId)).state).toBe('paused');
  const resumed = await Sandbox.connect(paused.sandboxId);
  expect((await resumed.commands.list()).map(({ pid }) => pid)).toEqual([counters[1]?.pid]);
  // The clock has continued, so this uses up most of the remaining half hour.
  await admin('POST', '/clock', { advanceMs: 1_741_000 });
  await expect.poll(async () => (await Sandbox.getInfo(due.sandboxId)).state).toBe('paused');

  const ids = [running, paused, due].map(({ sandboxId }) => sandboxId);
  await Promise.all(ids.map((id) => Sandbox.kill(id)));
  await expect.poll(() => traces(ids)).toEqual([]);
  await expect.poll(() => readdir(join(stateDir, 'sandboxes'))).toEqual([]);
  expect(pids.filter(runs)).toEqual([]);
});

test('a sandbox whose creation was interrupted by a kill of the simulator leaves nothing behind', async () => {
  const { Sandbox } = bound(await start());
  const creating = Sandbox.create().catch((error: unknown) => error);
  const folder = join(stateDir, 'sandboxes');
  await expect
    .poll(() => readdirSync(folder).filter((id) => existsSync(join(folder, id, 'setup.log'))))
    .toHaveLength(1);
  const ids = readdirSync(folder);
  await kill();
  expect(await creating).toBeInstanceOf(Error);
  const again = bound(await start());
  expect(await again.Sandbox.list().nextItems()).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
  await expect.poll(() => traces(ids)).toEqual([]);
});

test('closing keeps the sandboxes if requested, else removes every trace', async () => {
  const first = await startE2BSimulator({ stateDir });
  const kept = await first.Sandbox.create();
  await kept.files.write('kept.txt', 'kept');
  await first.close({ keep: true });
  expect(runs(await hostPid(kept))).toBe(true);

  const second = await startE2BSimulator({ stateDir });
  const [running, paused] = await Promise.all([
    second.Sandbox.connect(kept.sandboxId),
    second.Sandbox.create(),
  ]);
  expect(await running.files.read('kept.txt')).toBe('kept');
  await paused.pause();
  const pids = await Promise.all([running, paused].map(hostPid));
  await second.close();
  await expect.poll(() => traces([running, paused].map(({ sandboxId }) => sandboxId))).toEqual([]);
  expect(pids.filter(runs)).toEqual([]);
  expect(existsSync(join(stateDir, 'sandboxes'))).toBe(false);
});
