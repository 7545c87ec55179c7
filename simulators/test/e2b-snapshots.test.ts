// Snapshots and forks of local sandboxes through the unmodified SDK.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RateLimitError, Sandbox, SandboxNotFoundError } from 'e2b';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let source: Sandbox;

beforeAll(async () => {
  e2b = await startE2BSimulator();
});
afterAll(() => e2b?.end());
afterEach(async () => {
  await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 0 });
  for (const { snapshotId } of await all()) await e2b.Sandbox.deleteSnapshot(snapshotId);
  for (const { sandboxId } of await e2b.Sandbox.list().nextItems()) await e2b.Sandbox.kill(sandboxId);
  // No temporary copies are left.
  expect(await readdir(join(e2b.stateDir, 'snapshots'))).toEqual([]);
});

async function all(query: { name?: string; sandboxId?: string; limit?: number } = {}) {
  const pages = e2b.Sandbox.listSnapshots(query);
  const found: { snapshotId: string; names: string[] }[] = [];
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  return found;
}

/** Writes into the user's home, and over a file of the host. */
async function write(sandbox: Sandbox, version: string): Promise<void> {
  await sandbox.files.write('version.txt', `${version}\n`);
  await sandbox.commands.run(`echo ${version} > /usr/local/bin/version`, { user: 'root' });
}
const look = async (sandbox: Sandbox) =>
  (await sandbox.commands.run('echo $(cat version.txt /usr/local/bin/version)')).stdout.trim();

test('a snapshot outlives its sandbox; sandboxes made from it are independent', async () => {
  source = await e2b.Sandbox.create('base', { envs: { OF: 'source' } });
  await write(source, '1');
  const { pid } = await source.commands.run('sleep 500', { background: true, timeoutMs: 0 });
  const snapshot = await source.createSnapshot();
  expect(snapshot).toEqual({ snapshotId: expect.stringMatching(/^[a-z0-9]+:default$/), names: [] });
  expect((await source.commands.list()).map((command) => command.pid)).toContain(pid);
  await write(source, '2');
  await source.kill();

  const [one, other] = await Promise.all([
    e2b.Sandbox.create(snapshot.snapshotId, { envs: { OF: 'one' } }),
    e2b.Sandbox.create(snapshot.snapshotId),
  ]);
  await write(one, '3');
  expect([await look(one), await look(other)]).toEqual(['3 3', '1 1']);
  expect((await one.commands.run('echo $OF')).stdout).toBe('one\n');
  expect(await e2b.Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(true);
  expect(await e2b.Sandbox.deleteSnapshot(snapshot.snapshotId)).toBe(false);
  expect(await look(other)).toBe('1 1');
  await expect(e2b.Sandbox.create(snapshot.snapshotId)).rejects.toMatchObject({ statusCode: 404 });
});

test('a name can be used again; lists are filtered and have pages', async () => {
  source = await e2b.Sandbox.create();
  const second = await e2b.Sandbox.create();
  await write(source, '1');
  const named = await source.createSnapshot({ name: 'state' });
  expect(named).toEqual({ snapshotId: 'local/state:default', names: ['local/state:default'] });
  await write(source, '2');
  expect(await source.createSnapshot({ name: 'local/state:default' })).toEqual(named);
  const tagged = await second.createSnapshot({ name: 'state:v1' });
  const nameless = await second.createSnapshot();

  const ids = async (query: Parameters<typeof all>[0]) =>
    (await all(query)).map(({ snapshotId }) => snapshotId).sort();
  expect(await ids({ limit: 1 })).toEqual([named.snapshotId, tagged.snapshotId, nameless.snapshotId].sort());
  expect(await ids({ name: 'state' })).toEqual(['local/state:default', 'local/state:v1']);
  expect(await ids({ name: 'local/state:v1' })).toEqual(['local/state:v1']);
  expect(await ids({ name: 'stat' })).toEqual([]);
  expect(await ids({ sandboxId: second.sandboxId })).toEqual([tagged.snapshotId, nameless.snapshotId].sort());
  for (const reference of ['state', 'state:default', 'local/state'])
    expect(await look(await e2b.Sandbox.create(reference))).toBe('2 2');
});

test('what cannot be copied, or has a bad name, is refused', async () => {
  source = await e2b.Sandbox.create();
  await expect(source.createSnapshot({ name: '../etc' })).rejects.toMatchObject({ statusCode: 400 });
  await expect(source.fork({ count: 101 })).rejects.toMatchObject({ statusCode: 400 });
  await expect(e2b.Sandbox.listSnapshots({ limit: 0 }).nextItems()).rejects.toMatchObject({
    statusCode: 400,
  });
  await source.pause();
  await expect(source.createSnapshot()).rejects.toMatchObject({ statusCode: 409 });
  await expect(source.fork()).rejects.toMatchObject({ statusCode: 409 });
  await source.kill();
  await expect(source.createSnapshot()).rejects.toBeInstanceOf(SandboxNotFoundError);
  await expect(source.fork()).rejects.toBeInstanceOf(SandboxNotFoundError);
});

test('forks start with the files and the settings of their source', async () => {
  source = await e2b.Sandbox.create('base', {
    metadata: { test: 'fork' },
    envs: { OF: 'source' },
    lifecycle: { onTimeout: 'pause' },
  });
  await write(source, '1');
  const forks = await source.fork({ count: 2, timeoutMs: 60_000 });
  for (const fork of forks) {
    if (!(fork instanceof Sandbox)) throw fork;
    expect([await look(fork), (await fork.commands.run('echo $OF')).stdout]).toEqual(['1 1', 'source\n']);
    const { metadata, lifecycle, startedAt, endAt } = await fork.getInfo();
    expect({ metadata, lifecycle }).toMatchObject({
      metadata: { test: 'fork' },
      lifecycle: { onTimeout: 'pause' },
    });
    // The time-out of a fork starts when it runs, and is its own: the source has five minutes.
    const lifetime = endAt.getTime() - startedAt.getTime();
    expect(lifetime).toBeGreaterThanOrEqual(60_000);
    expect(lifetime).toBeLessThan(120_000);
    await write(fork, fork.sandboxId);
  }
  expect(await look(source)).toBe('1 1');
});

test.each([0, 1.5])('a fork of %s sandboxes is refused, and nothing is made', async (count) => {
  source = await e2b.Sandbox.create();
  const answer = await fetch(`${e2b.url}/sandboxes/${source.sandboxId}/fork`, {
    method: 'POST',
    headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ count }),
  });
  expect([answer.status, await answer.json()]).toEqual([
    400,
    { code: 400, message: expect.stringMatching(/^count: /) },
  ]);
  expect(await e2b.Sandbox.list().nextItems()).toHaveLength(1);
});

test('each fork succeeds or fails on its own', async () => {
  source = await e2b.Sandbox.create();
  await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 2 });
  const forks = await source.fork({ count: 2 });
  expect(forks.filter((fork) => fork instanceof Sandbox)).toHaveLength(1);
  expect(forks.filter((fork) => fork instanceof RateLimitError)).toHaveLength(1);
});

test('snapshots survive a restart of the simulator, and are removed by a normal shutdown', async () => {
  const first = await startE2BSimulator();
  const { snapshotId } = await (await first.Sandbox.create()).createSnapshot({ name: 'kept' });
  await first.close({ keep: true });
  const second = await startE2BSimulator({ stateDir: first.stateDir });
  const sandbox = await second.Sandbox.create(snapshotId);
  expect((await sandbox.commands.run('echo alive')).stdout).toBe('alive\n');
  await second.close();
  expect(await readdir(join(first.stateDir, 'snapshots'))).toEqual([]);
  await rm(first.stateDir, { recursive: true, force: true });
});
