// Injected failures of sandboxes: older files, failed pauses, vanished sandboxes.
import { setTimeout as delay } from 'node:timers/promises';
import { CommandExitError, NotFoundError, type Sandbox, SandboxNotFoundError } from 'e2b';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectFrames } from './e2b-raw.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;

beforeAll(async () => {
  e2b = await startE2BSimulator();
});
afterAll(() => e2b?.end());
afterEach(async () => {
  await e2b.admin('DELETE', '/faults');
  await e2b.admin('PATCH', '/switches', { 'pause-snapshots': 'as-needed', 'pause-delay-ms': 0 });
});

const fault = (rule: object) => e2b.admin('POST', '/faults', { times: 1, ...rule });
const stateOf = async ({ sandboxId }: Sandbox) => (await e2b.Sandbox.getInfo(sandboxId)).state;
const kept = { lifecycle: { onTimeout: 'pause' as const } };

/** Writes a version of a file, then pauses and resumes. */
async function turn(sandbox: Sandbox, version: string): Promise<void> {
  await sandbox.files.write('version.txt', version);
  await sandbox.commands.run(`rm -f /usr/local/bin/v*; touch /usr/local/bin/v${version}`, { user: 'root' });
  await sandbox.pause();
  await sandbox.connect();
}

/** The version in the file, and the versions in the list of programs. */
async function versionsIn(sandbox: Sandbox): Promise<string[]> {
  const { stdout } = await sandbox.commands.run('cat version.txt; echo; ls /usr/local/bin | grep ^v');
  return stdout.trim().split(/\s+/);
}

test('a resume restores the files of the previous pause', async () => {
  await e2b.admin('PATCH', '/switches', { 'pause-snapshots': 'always' });
  const sandbox = await e2b.Sandbox.create('base', kept);
  await turn(sandbox, '1');
  await fault({ route: 'sandbox.connect', kind: 'old-files' });
  await turn(sandbox, '2');
  expect(await versionsIn(sandbox)).toEqual(['1', 'v1']);
  await turn(sandbox, '3');
  expect(await versionsIn(sandbox)).toEqual(['3', 'v3']);
  await sandbox.kill();
});

test('a resume without processes, by fault', async () => {
  const sandbox = await e2b.Sandbox.create('base', kept);
  const { pid } = await sandbox.commands.run('sleep 500', { background: true, timeoutMs: 0 });
  const bootId = () => sandbox.commands.run('cat /proc/1/stat | cut -d" " -f22');
  const before = (await bootId()).stdout;
  await fault({ route: 'sandbox.connect', match: sandbox.sandboxId, kind: 'reboot' });
  await turn(sandbox, '1');
  expect((await sandbox.commands.list()).map((command) => command.pid)).not.toContain(pid);
  expect((await bootId()).stdout).not.toBe(before);
  expect(await versionsIn(sandbox)).toEqual(['1', 'v1']);
  await sandbox.kill();
});

test('a failing pause falls back to the previous pause, or removes the sandbox', async () => {
  await fault({ route: 'sandbox.pause', kind: 'lose-state', after: 1, times: 2 });
  const sandbox = await e2b.Sandbox.create('base', kept);
  await turn(sandbox, '1');
  await sandbox.files.write('version.txt', '2');
  await expect(sandbox.pause()).rejects.toMatchObject({ statusCode: 500 });
  expect(await stateOf(sandbox)).toBe('paused');
  const again = await sandbox.connect();
  expect(await versionsIn(again)).toEqual(['1', 'v1']);
  await sandbox.kill();

  const fresh = await e2b.Sandbox.create('base', kept);
  await expect(fresh.pause()).rejects.toMatchObject({ statusCode: 500 });
  await expect(fresh.connect()).rejects.toBeInstanceOf(NotFoundError);
});

test('a time-out restores the snapshot of an earlier pause; a kill does not', async () => {
  const sandbox = await e2b.Sandbox.create('base', { timeoutMs: 60_000 });
  await turn(sandbox, '1');
  await sandbox.files.write('version.txt', '2');
  await e2b.admin('POST', '/clock', { advanceMs: 301_000 });
  await expect.poll(() => stateOf(sandbox), { timeout: 10_000 }).toBe('paused');
  const again = await e2b.Sandbox.connect(sandbox.sandboxId);
  expect(await versionsIn(again)).toEqual(['1', 'v1']);
  await again.kill();
  await expect(again.connect()).rejects.toBeInstanceOf(SandboxNotFoundError);
});

test('sandboxes vanish when they are requested or created', async () => {
  const [one, other] = await Promise.all([e2b.Sandbox.create(), e2b.Sandbox.create()]);
  await fault({ route: 'sandbox.timeout', match: one.sandboxId, kind: 'vanish' });
  await other.setTimeout(60_000);
  await expect(one.setTimeout(60_000)).rejects.toBeInstanceOf(SandboxNotFoundError);
  expect(await one.kill()).toBe(false);
  expect(await other.kill()).toBe(true);
  await fault({ route: 'sandbox.create', kind: 'vanish' });
  const ghost = await e2b.Sandbox.create();
  await expect(ghost.connect()).rejects.toBeInstanceOf(NotFoundError);
});

test('lists omit an entry, or are stale', async () => {
  const metadata = { test: 'lists' };
  const sandbox = await e2b.Sandbox.create('base', { metadata });
  const list = () => e2b.Sandbox.list({ query: { metadata } }).nextItems();
  await fault({ route: 'sandbox.list', kind: 'omit' });
  expect(await list()).toEqual([]);
  await fault({ route: 'sandbox.list', kind: 'stale' });
  expect(await list()).toMatchObject([{ sandboxId: sandbox.sandboxId, state: 'paused' }]);
  expect(await list()).toMatchObject([{ state: 'running' }]);
  await sandbox.kill();
});

test.each(['commit-then-drop', 'commit-then-status'])(
  '%s on connect, pause and kill: it is done',
  async (kind) => {
    const sandbox = await e2b.Sandbox.create('base', kept);
    const { sandboxId } = sandbox;
    await fault({ route: 'sandbox.pause', kind });
    await expect(sandbox.pause()).rejects.toThrow();
    expect(await stateOf(sandbox)).toBe('paused');
    await fault({ route: 'sandbox.connect', kind });
    await expect(e2b.Sandbox.connect(sandboxId)).rejects.toThrow();
    expect(await stateOf(sandbox)).toBe('running');
    await fault({ route: 'sandbox.kill', kind });
    await expect(e2b.Sandbox.kill(sandboxId)).rejects.toThrow();
    expect(await e2b.Sandbox.kill(sandboxId)).toBe(false);
  },
);

test('random faults repeat with the same seed; a rule ends after its time', async () => {
  const sandbox = await e2b.Sandbox.create();
  const answers = async () => {
    await e2b.admin('DELETE', '/faults');
    await fault({ route: 'sandbox.get', kind: 'status', times: 100, probability: 0.5, seed: 7 });
    const all: boolean[] = [];
    for (let n = 0; n < 16; n += 1) all.push(await stateOf(sandbox).then(Boolean, () => false));
    return all;
  };
  const first = await answers();
  expect(new Set(first).size).toBe(2);
  expect(await answers()).toEqual(first);
  await e2b.admin('DELETE', '/faults');
  await fault({ route: 'sandbox.get', kind: 'status', times: 100_000, forMs: 100 });
  await expect(stateOf(sandbox)).rejects.toMatchObject({ statusCode: 500 });
  await expect.poll(() => stateOf(sandbox).catch(() => 'no')).toBe('running');
  await sandbox.kill();
});

test('during a pause: connecting waits, a second pause joins, a new time-out is refused', async () => {
  const sandbox = await e2b.Sandbox.create('base', kept);
  await e2b.admin('PATCH', '/switches', { 'pause-delay-ms': 300 });
  const pausing = Promise.all([sandbox.pause(), e2b.Sandbox.pause(sandbox.sandboxId)]);
  await expect.poll(() => stateOf(sandbox)).toBe('paused');
  await expect(sandbox.setTimeout(1000)).rejects.toMatchObject({ statusCode: 409 });
  const connecting = e2b.Sandbox.connect(sandbox.sandboxId);
  expect(await pausing).toEqual([true, true]);
  await connecting;
  expect(await stateOf(sandbox)).toBe('running');
  await e2b.admin('PATCH', '/switches', { 'pause-delay-ms': 300 });
  const last = sandbox.pause();
  await expect.poll(() => stateOf(sandbox)).toBe('paused');
  expect(await sandbox.kill()).toBe(true);
  expect(await last).toBe(true);
  expect(await sandbox.kill()).toBe(false);
});

test('during a pause: the time-out does nothing, traffic waits and then resumes the sandbox', async () => {
  const sandbox = await e2b.Sandbox.create('base', { lifecycle: { onTimeout: 'kill', autoResume: false } });
  const woken = await e2b.Sandbox.create('base', { lifecycle: { onTimeout: 'pause', autoResume: true } });
  await e2b.admin('PATCH', '/switches', { 'pause-delay-ms': 300 });
  const pausing = Promise.all([sandbox.pause(), woken.pause()]);
  await expect.poll(() => Promise.all([sandbox, woken].map(stateOf))).toEqual(['paused', 'paused']);
  const answered = woken.commands.run('echo awake');
  await e2b.admin('POST', '/clock', { advanceMs: 301_000 });
  expect(await pausing).toEqual([true, true]);
  expect((await answered).stdout).toBe('awake\n');
  expect(await stateOf(woken)).toBe('running');
  expect(await stateOf(sandbox)).toBe('paused');
  await sandbox.connect();
  expect(await stateOf(sandbox)).toBe('running');
  await Promise.all([sandbox.kill(), woken.kill()]);
});

test('a sandbox that is requested during a restart is there, and survives', async () => {
  const sandbox = await e2b.Sandbox.create();
  let over = false;
  // A 404 would mean that the sandbox is lost.
  const ask = async (request: () => Promise<unknown>) => {
    while (!over) await request();
  };
  const asking = Promise.all([ask(() => sandbox.getInfo()), ask(() => sandbox.connect())]);
  for (let count = 0; count < 3; count += 1)
    await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/restart`);
  over = true;
  await asking;
  expect((await sandbox.getInfo()).state).toBe('running');
  expect((await sandbox.commands.run('echo alive')).stdout).toBe('alive\n');
  await sandbox.kill();
});

test('a stalled stream stays open until all connections of the sandbox are cut', async () => {
  const sandbox = await e2b.Sandbox.create();
  await fault({ route: 'envd', match: 'Process/Start', kind: 'stall' });
  const silent = await sandbox.commands.run('sleep 0.2; echo out; echo > /tmp/over', { background: true });
  const other = await sandbox.commands.run('sleep 500', { background: true, timeoutMs: 0 });
  const ends = [silent, other].map((handle) => handle.wait().catch((error: unknown) => error));
  await expect.poll(() => sandbox.files.exists('/tmp/over')).toBe(true);
  expect(await Promise.race([...ends, delay(300, 'silent')])).toBe('silent');
  expect(silent.stdout).toBe('');
  await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/cut`);
  for (const error of await Promise.all(ends)) {
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(CommandExitError);
  }
  expect(await stateOf(sandbox)).toBe('running');
  expect((await sandbox.commands.list()).map(({ pid }) => pid)).toEqual([other.pid]);
  await sandbox.kill();
});

test('a stream breaks after the end of its command, before its own end', async () => {
  const sandbox = await e2b.Sandbox.create();
  await fault({ route: 'envd', match: 'Process/Start', kind: 'cut-end', times: 2 });
  const command = { process: { cmd: '/bin/sh', args: ['-c', 'echo out; exit 3'] } };
  const seen: string[] = [];
  const read = async () => {
    for await (const { event } of connectFrames(e2b.url, sandbox, '/process.Process/Start', command))
      seen.push(...Object.keys(event as object));
  };
  await expect(read()).rejects.toThrow();
  expect(seen).toEqual(['start', 'data', 'end']);
  await expect(sandbox.commands.run('exit 3')).rejects.toThrow();
  await expect(sandbox.commands.run('exit 3')).rejects.toBeInstanceOf(CommandExitError);
  await sandbox.kill();
});

test('a command starts at once, and its start is reported late', async () => {
  const sandbox = await e2b.Sandbox.create();
  await fault({ route: 'envd', match: 'Process/Start', kind: 'late', latencyMs: 10_000 });
  const command = 'echo > /tmp/started; sleep 500';
  const told = sandbox.commands.run(command, { background: true, timeoutMs: 0, requestTimeoutMs: 3_000 });
  await expect(told).rejects.toThrow();
  expect(await sandbox.files.exists('/tmp/started')).toBe(true);
  await sandbox.kill();
});
