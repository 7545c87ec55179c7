// Skills and memory stores of sessions, in sandboxes, with both simulators.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFile } from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SkillArchives } from '../../../activities/equipment/skills.ts';
import { createMemoryActivities } from '../../../activities/memory/sync-memory.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../../activities/sandbox/prepare-sandbox.ts';
import { sealSecret } from '../../../activities/work-queue/item-secret.ts';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import {
  bash,
  type Fixture,
  message,
  script,
  startFixture,
} from '../../../simulators/test/managed-agents.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { writeLocalTemplate } from '../../../template/manifest.ts';
import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import type { Prepared, Synced } from '../../../workflows/contract.ts';
import { bundleToolhost } from '../../toolhost/running-toolhost.ts';
import { activityContext, testDeps } from '../deps.ts';

let anthropic: Fixture;
let e2b: E2BSimulator;
let folder: string;
let file: string;
let named = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
  file = await bundleToolhost(folder);
  anthropic = await startFixture();
  e2b = await startE2BSimulator({ templates: [await writeLocalTemplate(folder, file)] });
});
afterAll(async () => {
  await anthropic.close();
  await e2b.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await anthropic.admin('DELETE', '/faults');
  await e2b.admin('DELETE', '/faults');
});

const skills = () => anthropic.organization.beta.skills;
const memories = () => anthropic.organization.beta.memoryStores.memories;
const guide = (name: string, text: string) => `---\nname: ${name}\ndescription: A test.\n---\n${text}\n`;
const skillFile = (name: string, text: string) => toFile(Buffer.from(guide(name, text)), `${name}/SKILL.md`);
const newSkill = async (name: string, text = 'first') =>
  skills().create({ files: [await skillFile(name, text)] });
const fault = (route: string, more: object = {}) =>
  anthropic.admin('POST', '/faults', { route, kind: 'status', status: 503, times: 1, ...more });

/** A worker's activities; another one knows nothing of its connections and archives. */
function worker() {
  const deps = testDeps(
    { anthropic, e2b: { ...e2b, template: DEFINITION.name } },
    { toolhost: { file, version: TOOLHOST_VERSION } },
  );
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const { prepareSandbox } = createSandboxActivities(deps, sandboxes, new SkillArchives());
  const { syncMemory } = createMemoryActivities(deps, sandboxes);
  const prepare = (sessionId: string, sandboxId: string | null = null, attempt = 1): Promise<Prepared> =>
    activityContext({ attempt }).run(prepareSandbox, {
      sessionId,
      environmentId: anthropic.environmentId,
      sandboxId,
      nonce: 'nonce-1',
    });
  return { deps, prepare, syncMemory };
}

async function session(more: { skills?: string[]; resources?: object[] }): Promise<string> {
  const wanted = (more.skills ?? []).map((skill_id) => ({ type: 'custom' as const, skill_id }));
  const agent = await anthropic.organization.beta.agents.create({
    name: 'Equipped',
    model: 'claude-opus-5-5',
    tools: [{ type: 'agent_toolset_20260401' }],
    skills: wanted,
  });
  const { id } = await anthropic.organization.beta.sessions.create({
    agent: agent.id,
    environment_id: anthropic.environmentId,
    initial_events: [message(script(bash('true')))],
    resources: (more.resources ?? []) as never,
  });
  return id;
}

describe('skills', () => {
  it('are installed once; another version replaces the directory', async () => {
    const name = `counter-${named++}`;
    const skill = await newSkill(name);
    const sessionId = await session({ skills: [skill.id] });
    const one = worker();
    const { sandboxId, equipment } = await one.prepare(sessionId);
    expect(equipment).toBeUndefined();
    const sandbox = await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
    const text = () => sandbox.files.read(`/mnt/session/skills/${name}/SKILL.md`);
    expect(await text()).toBe(guide(name, 'first'));

    // The next turn, on another worker: nothing is fetched, which a fault would spoil.
    await fault('skills.versions.download', { times: 9 });
    expect(await worker().prepare(sessionId, sandboxId)).toEqual({ sandboxId, how: 'connected' });

    await anthropic.admin('DELETE', '/faults');
    await anthropic.admin('POST', '/clock', { advanceMs: 1000 });
    await skills().versions.create(skill.id, { files: [await skillFile(name, 'second')] });
    await worker().prepare(sessionId, sandboxId);
    expect(await text()).toBe(guide(name, 'second'));
  });

  it('are fetched once for two sessions of one worker', async () => {
    const skill = await newSkill(`shared-${named++}`);
    const one = worker();
    await one.prepare(await session({ skills: [skill.id] }));
    await fault('skills.versions.download', { times: 9 });
    expect(await one.prepare(await session({ skills: [skill.id] }))).not.toHaveProperty('equipment');
  });

  it('a moment of trouble is waited out; one that stays broken is reported, and the others are there', async () => {
    const good = `good-${named++}`;
    const ids = [(await newSkill(`broken-${named++}`)).id, (await newSkill(good)).id];
    const sessionId = await session({ skills: ids });
    await fault('skills.versions.download', { times: 1 });
    const one = worker();
    const { sandboxId, equipment } = await one.prepare(sessionId);
    expect(equipment).toBeUndefined();

    const late = [(await newSkill(`late-${named++}`)).id, (await newSkill(`fine-${named++}`)).id];
    const another = await session({ skills: late });
    await fault('skills.versions.download', { status: 404, times: 1 });
    const prepared = await worker().prepare(another);
    expect(prepared.equipment?.problems).toEqual([
      expect.stringMatching(new RegExp(`skill ${late[0]} is not installed`)),
    ]);
    const toolhost = one.deps.e2b.toolhost(
      await one.deps.e2b.Sandbox.connect(prepared.sandboxId, { timeoutMs: 600_000 }),
    );
    expect(await toolhost.skills()).toMatchObject([{ skillId: late[1] }]);
    expect(sandboxId).not.toBe(prepared.sandboxId);
  });
});

it('a toolhost that does not answer is no broken skill, unless it never does', async () => {
  const sessionId = await session({ skills: [(await newSkill(`early-${named++}`)).id] });
  // It answers that it is there, and what it has.
  const away = { route: 'port', kind: 'status', status: 502, after: 2, times: 3 };
  await e2b.admin('POST', '/faults', away);
  await expect(worker().prepare(sessionId)).rejects.toMatchObject({ type: 'retry' });
  await e2b.admin('POST', '/faults', away);
  const { equipment } = await worker().prepare(sessionId, null, 6);
  expect(equipment?.problems).toEqual([expect.stringMatching(/^skill .* is not installed: .*502/)]);
  expect(await worker().prepare(sessionId, null, 7)).not.toHaveProperty('equipment');
});

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
