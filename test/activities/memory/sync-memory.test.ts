// Memory stores of sessions, in sandboxes, with both simulators.
import { describe, expect, it } from 'vitest';
import { sealSecret } from '../../../activities/work-queue/item-secret.ts';
import type { Synced } from '../../../workflows/contract.ts';
import { activityContext } from '../deps.ts';
import { fault, memories, session, worker } from '../equipped-sessions.ts';
import { anthropic, e2b } from '../simulators.ts';

let named = 0;

/** A session with a store, its sandbox, and how its memory is synced. */
async function remembering(access: 'read_write' | 'read_only' = 'read_write') {
  const store = await anthropic.organization.beta.memoryStores.create({ name: `Notes ${named++}` });
  const add = (path: string, content: string) => memories().create(store.id, { path, content });
  await add('/facts/a.md', 'grüße');
  await add('/b.md', 'b');
  const sessionId = await session({
    resources: [{ type: 'memory_store', memory_store_id: store.id, access }],
  });
  const work = await pollFor(sessionId);
  const one = worker();
  const { sandboxId, equipment } = await one.prepare(sessionId);
  const stores = equipment?.stores ?? [];
  const root = stores[0]?.mountPath ?? '';
  const args = {
    sessionId,
    environmentId: anthropic.environmentId,
    sandboxId,
    sealedSecret: sealSecret(work.secret ?? '', anthropic.environmentKey, { sessionId, workId: work.id }) as
      | string
      | null,
    stores,
    last: false,
  };
  const sync = (more: object = {}, by = worker(), attempt = 1): Promise<Synced> =>
    activityContext({ attempt }).run(by.syncMemory, { ...args, ...more });
  const sandbox = await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
  const run = async (command: string) => (await sandbox.commands.run(command, { cwd: root })).stdout;
  const remote = async () => {
    const found: Record<string, string | null> = {};
    for await (const item of memories().list(store.id, { view: 'full' }))
      if (item.type === 'memory') found[item.path] = item.content ?? null;
    return found;
  };
  const idOf = async (path: string) => {
    for await (const item of memories().list(store.id))
      if (item.type === 'memory' && item.path === path) return item.id;
    throw new Error(`no ${path}`);
  };
  const update = async (path: string, content: string) =>
    memories().update(await idOf(path), { memory_store_id: store.id, content });
  return { sessionId, sandboxId, store, stores, root, sync, run, remote, add, update, idOf };
}
async function pollFor(sessionId: string) {
  for (;;) {
    const work = await anthropic.poll(60_000);
    await anthropic.environment.beta.environments.work.ack(work.id, {
      environment_id: anthropic.environmentId,
    });
    if (work.data.id === sessionId) return work;
  }
}
const FINE = { outcome: 'synced', problems: [] };

describe('memory', () => {
  it('goes on though the toolhost has died: the next attempt starts it', async () => {
    const { sync, run, remote } = await remembering();
    await sync();
    await run('printf here > here');
    await run('pkill -KILL -f toolhost.mj[s]');
    await expect(sync()).rejects.toMatchObject({ nonRetryable: false });
    expect(await sync({}, worker(), 2)).toEqual(FINE);
    expect(await remote()).toMatchObject({ '/here': 'here' });
  });

  it('is pulled, and what changed on either side is brought to the other', async () => {
    const { stores, root, sync, run, remote, update, add, idOf, store } = await remembering();
    expect(stores).toEqual([{ storeId: store.id, mountPath: root, readOnly: false }]);
    expect(root).toMatch(/^\/mnt\/memory\/notes-\d+$/);
    expect(await sync()).toEqual(FINE);
    expect(await run('cat facts/a.md b.md')).toBe('grüßeb');
    await run('mkdir -p new && echo -n n > new/n.md && echo -n B > b.md');
    await update('/facts/a.md', 'hallo');
    await add('/c.md', 'c');
    expect(await sync()).toEqual(FINE);
    expect(await remote()).toEqual({ '/facts/a.md': 'hallo', '/b.md': 'B', '/c.md': 'c', '/new/n.md': 'n' });
    expect(await run('cat facts/a.md c.md')).toBe('halloc');
    await memories().delete(await idOf('/c.md'), { memory_store_id: store.id });
    expect(await sync()).toEqual(FINE);
    expect(await run('ls')).toBe('b.md\nfacts\nnew\n');
    // Nothing has changed: nothing is written, which a fault would spoil.
    for (const route of ['memories.create', 'memories.update', 'memories.delete', 'memories.retrieve'])
      await fault(route, { times: 9 });
    expect(await sync()).toEqual(FINE);
  });

  it('a deletion is sent at the end of the turn, a wiped folder comes back', async () => {
    const { sync, run, remote } = await remembering();
    await sync();
    await run('rm b.md');
    expect(await sync()).toEqual(FINE);
    expect(Object.keys(await remote())).toContain('/b.md');
    expect(await sync({ last: true })).toEqual(FINE);
    expect(await remote()).toEqual({ '/facts/a.md': 'grüße' });
    await run('echo -n two > two.md');
    await sync();
    await run('rm -rf ./* .anthropic-memory-store');
    expect(await sync({ last: true })).toEqual(FINE);
    expect(await run('cat two.md')).toBe('two');
    expect(Object.keys(await remote())).toHaveLength(2);
  });

  it('the store wins where both sides changed', async () => {
    const { sync, run, update, remote } = await remembering();
    await sync();
    await run('echo -n mine > b.md');
    await update('/b.md', 'theirs');
    expect(await sync()).toMatchObject({ problems: [expect.stringContaining('b.md changed on both sides')] });
    expect(await run('cat b.md')).toBe('theirs');
    expect((await remote())['/b.md']).toBe('theirs');
  });

  it.each(['memories.create', 'memories.update', 'memories.list'])(
    'a sync that is cut off at %s is finished by another worker, and loses no edit made meanwhile',
    async (route) => {
      const { sync, run, remote } = await remembering();
      await sync();
      await run('echo -n 1 > n.md; echo -n B1 > b.md');
      await fault(route, { kind: route.endsWith('list') ? 'status' : 'commit-then-status' });
      await expect(sync()).rejects.toThrow();
      await run('echo -n 2 > n.md; echo -n B2 > b.md');
      expect(await sync({ last: true })).toEqual(FINE);
      expect(await remote()).toMatchObject({ '/n.md': '2', '/b.md': 'B2' });
    },
  );

  it('goes on in a sandbox that was paused, and in one that is new', async () => {
    const { sync, run, remote, sessionId, sandboxId } = await remembering();
    await sync();
    await run('echo -n unsynced > late.md');
    await e2b.Sandbox.pause(sandboxId);
    const by = worker();
    await by.prepare(sessionId, sandboxId);
    expect(await sync({}, by)).toEqual(FINE);
    expect((await remote())['/late.md']).toBe('unsynced');
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    expect(await sync()).toEqual({ outcome: 'sandbox lost' });
  });

  it('written before the first sync is saved by it, unless the store has the path already', async () => {
    const { sync, run, remote } = await remembering();
    await run('echo -n early > early.md; echo -n mine > b.md');
    expect(await sync({ sealedSecret: null })).toMatchObject({ outcome: 'unavailable' });
    expect(await sync()).toMatchObject({
      problems: [expect.stringContaining("b.md changed on both sides: the store's version is taken")],
    });
    expect(await remote()).toEqual({ '/facts/a.md': 'grüße', '/b.md': 'b', '/early.md': 'early' });
    expect(await run('cat b.md facts/a.md early.md')).toBe('bgrüßeearly');
  });

  it('that may only be read is never written', async () => {
    const { stores, sync, run, remote } = await remembering('read_only');
    expect(stores[0]?.readOnly).toBe(true);
    await sync();
    await run('echo -n changed > b.md; echo -n new > new.md; rm facts/a.md');
    await sync({ last: true });
    expect(await remote()).toEqual({ '/facts/a.md': 'grüße', '/b.md': 'b' });
    expect(await run('cat b.md facts/a.md')).toBe('bgrüße');
  });

  it('what the service does not take is named, and the rest is saved', async () => {
    const { sync, run, remote } = await remembering();
    await sync();
    await run(
      'head -c 150000 /dev/zero | tr "\\0" x > large; printf "\\377" > binary; echo -n ok > fine; truncate -s 2M huge',
    );
    const synced = await sync();
    expect(synced).toMatchObject({ outcome: 'synced' });
    const problems = 'problems' in synced ? synced.problems.join('\n') : '';
    expect(problems).toMatch(/large is not saved: it is larger than/);
    expect(problems).toMatch(/huge is not saved: it is larger than/);
    expect(problems).toMatch(/binary is not saved: .*not UTF-8/);
    expect(Object.keys(await remote()).sort()).toEqual(['/b.md', '/facts/a.md', '/fine']);
    // Said once, until the file changes.
    expect(await sync()).toEqual(FINE);
  });

  it('without the token of the item, or with one that is refused, is unavailable', async () => {
    const { sync, sessionId } = await remembering();
    expect(await sync({ sealedSecret: null })).toMatchObject({ outcome: 'unavailable' });
    const secret = Buffer.from(JSON.stringify({ sessions_token: 'sk-ant-req-expired' })).toString(
      'base64url',
    );
    const sealedFor = { sessionId, workId: 'work_1' };
    const synced = await sync({ sealedSecret: sealSecret(secret, anthropic.environmentKey, sealedFor) });
    expect(synced).toMatchObject({ outcome: 'unavailable' });
    expect(JSON.stringify(synced)).not.toContain('sk-ant-req-expired');
  });

  it('places that cannot be used, and a folder of another store, are named; the other stores are synced', async () => {
    const { stores, sync, run } = await remembering();
    const [good] = stores;
    const odd = ['/mnt/memory/../x', 'relative', good?.mountPath, '/mnt/session', '/proc/x'].map(
      (mountPath, index) => {
        return { storeId: `memstore_odd${index}`, mountPath, readOnly: false };
      },
    );
    const synced = await sync({ stores: [...odd.slice(0, 2), good, ...odd.slice(2)] });
    expect('problems' in synced ? synced.problems : []).toHaveLength(5);
    expect(await run('cat b.md')).toBe('b');
    await run('echo "version 1" > .anthropic-memory-store; echo -n x > b.md');
    expect(await sync()).toMatchObject({ problems: [expect.stringContaining('another store')] });
  });

  it('of many files is pulled in pages', async () => {
    const { sync, run, add } = await remembering();
    for (let index = 0; index < 50; index += 1) await add(`/many/${index}`, String(index));
    expect(await sync()).toEqual(FINE);
    expect((await run('ls many | wc -l')).trim()).toBe('50');
    expect(await run('cat many/49')).toBe('49');
  });
});
