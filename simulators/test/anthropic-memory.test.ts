import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture, statusOf } from './managed-agents.ts';

const sha = (text: string) => createHash('sha256').update(text).digest('hex');

let fixture: Fixture;
let store: string;
beforeAll(async () => {
  fixture = await startFixture();
});
beforeEach(async () => {
  store = (await fixture.organization.beta.memoryStores.create({ name: 'Notes' })).id;
});
afterAll(() => fixture.close());

const memories = () => fixture.organization.beta.memoryStores.memories;
const add = (path: string, content = `content of ${path}`) => memories().create(store, { path, content });
const errorOf = async (call: PromiseLike<unknown>) => {
  const error = (await Promise.resolve(call).catch((caught: unknown) => caught)) as {
    status: number;
    error: { error: unknown };
  };
  return { status: error.status, ...(error.error.error as Record<string, unknown>) };
};

test('stores are created, changed, listed, archived and deleted', async () => {
  const stores = fixture.organization.beta.memoryStores;
  const made = await stores.create({ name: 'Users', description: 'About users', metadata: { team: 'a' } });
  expect(made).toMatchObject({ type: 'memory_store', archived_at: null, metadata: { team: 'a' } });
  const changed = await stores.update(made.id, { name: 'People', metadata: { team: null, more: 'b' } });
  expect(changed).toMatchObject({ name: 'People', description: 'About users', metadata: { more: 'b' } });
  const memory = await stores.memories.create(made.id, { path: '/a', content: 'x' });
  await stores.archive(made.id);
  const ids = async (include_archived: boolean) => {
    const found: string[] = [];
    for await (const { id } of stores.list({ include_archived, limit: 1 })) found.push(id);
    return found;
  };
  expect(await ids(false)).not.toContain(made.id);
  expect(await ids(true)).toContain(made.id);
  expect(await statusOf(stores.update(made.id, { name: 'x' }))).toBe(400);
  expect(await statusOf(stores.memories.create(made.id, { path: '/b', content: '' }))).toBe(400);
  expect((await stores.memories.retrieve(memory.id, { memory_store_id: made.id })).content).toBe('x');
  expect(await stores.delete(made.id)).toEqual({ id: made.id, type: 'memory_store_deleted' });
  expect(await statusOf(stores.memories.list(made.id))).toBe(404);
});

test('views, sizes and hashes', async () => {
  const made = await add('/grüße.md', 'grüße');
  expect(made).toMatchObject({
    type: 'memory',
    content: null,
    content_sha256: sha('grüße'),
    content_size_bytes: 7,
  });
  const at = { memory_store_id: store };
  expect((await memories().retrieve(made.id, at)).content).toBe('grüße');
  expect((await memories().retrieve(made.id, { ...at, view: 'basic' })).content).toBeNull();
  expect((await memories().create(store, { path: '/b', content: 'b', view: 'full' })).content).toBe('b');
  const full = await memories().list(store, { view: 'full' });
  expect(full.data).toMatchObject([{ content: 'b' }, { content: 'grüße' }]);
});

test('a full page has at most 20 memories, a basic one 100', async () => {
  for (let count = 0; count < 101; count += 1) await add(`/n${String(count).padStart(3, '0')}`);
  expect((await memories().list(store)).data).toHaveLength(100);
  const full = await memories().list(store, { view: 'full', limit: 50 });
  expect(full.data).toHaveLength(20);
  const paths: string[] = [];
  for await (const item of memories().list(store, { view: 'full' })) paths.push(item.path);
  expect(new Set(paths).size).toBe(101);
  expect(await statusOf(memories().list(store, { limit: 101 }))).toBe(400);
});

test('prefixes match whole segments, a depth rolls up what lies deeper', async () => {
  for (const path of ['/top', '/notes/a', '/notes/deep/b', '/notes/deep/er/c', '/notes-old/d'])
    await add(path);
  const list = async (params: { path_prefix?: string; depth?: number }) =>
    (await memories().list(store, params)).data.map((item) => [item.type, item.path]);
  expect(await list({ depth: 1 })).toEqual([
    ['memory_prefix', '/notes-old/'],
    ['memory_prefix', '/notes/'],
    ['memory', '/top'],
  ]);
  expect(await list({ path_prefix: '/notes/', depth: 1 })).toEqual([
    ['memory', '/notes/a'],
    ['memory_prefix', '/notes/deep/'],
  ]);
  expect(await list({ path_prefix: '/notes/deep/' })).toHaveLength(2);
  expect(await statusOf(memories().list(store, { path_prefix: '/notes' }))).toBe(400);
});

test('an update with a precondition happens only on the content that it names', async () => {
  const { id } = await add('/a', 'one');
  const update = (content: string, before?: string) =>
    memories().update(id, {
      memory_store_id: store,
      content,
      ...(before === undefined
        ? {}
        : { precondition: { type: 'content_sha256', content_sha256: sha(before) } }),
    });
  expect((await update('two', 'one')).content_sha256).toBe(sha('two'));
  expect(await errorOf(update('three', 'one'))).toMatchObject({
    status: 409,
    type: 'memory_precondition_failed_error',
  });
  // The memory already has this content, so the precondition does not matter.
  expect(await statusOf(update('two', 'one'))).toBe(200);
  expect(await statusOf(update('four'))).toBe(200);
  const remove = (expected_content_sha256: string) =>
    memories().delete(id, { memory_store_id: store, expected_content_sha256 });
  expect(await statusOf(remove(sha('two')))).toBe(409);
  expect(await remove(sha('four'))).toEqual({ id, type: 'memory_deleted' });
});

test('paths that overlap exclude each other; a rename keeps the id', async () => {
  const taken = await add('/notes/todo');
  for (const path of ['/notes/todo', '/notes', '/notes/todo/more']) {
    expect(await errorOf(add(path))).toMatchObject({
      status: 409,
      type: 'memory_path_conflict_error',
      conflicting_memory_id: taken.id,
      conflicting_path: '/notes/todo',
    });
  }
  const moved = await memories().update(taken.id, { memory_store_id: store, path: '/notes/todo/inside' });
  expect(moved).toMatchObject({
    id: taken.id,
    path: '/notes/todo/inside',
    content_sha256: taken.content_sha256,
  });
});

test.each([
  '',
  'relative',
  '/',
  '/a/',
  '/a//b',
  '/./a',
  '/a/..',
  '/a\nb',
  '/a\u2028b',
  '/e\u0301',
  `/${'x'.repeat(1024)}`,
  '/x'.repeat(21),
])('the path %j is refused', async (path) => {
  expect(await statusOf(add(path))).toBe(400);
});

test('content has a limit, and a store has one', async () => {
  expect(await statusOf(add('/big', 'x'.repeat(102_400)))).toBe(200);
  expect(await statusOf(add('/bigger', 'x'.repeat(102_401)))).toBe(400);
  for (let count = 1; count < 2000; count += 1) await add(`/n/${count}`, '');
  expect(await statusOf(add('/one-more'))).toBe(400);
}, 60_000);

test('every change is a version; a version that is not current can be redacted', async () => {
  const versions = fixture.organization.beta.memoryStores.memoryVersions;
  const at = { memory_store_id: store };
  const { id } = await add('/a', 'secret');
  const changes = [
    () => memories().update(id, { ...at, content: 'public' }),
    () => memories().update(id, { ...at, content: 'public' }),
    () => memories().delete(id, at),
  ];
  for (const change of changes) {
    await fixture.admin('POST', '/clock', { advanceMs: 1000 });
    await change();
  }
  const found = (await versions.list(store, { memory_id: id, view: 'full' })).data;
  expect(found.map(({ operation, content }) => [operation, content])).toEqual([
    ['deleted', null],
    ['modified', 'public'],
    ['created', 'secret'],
  ]);
  expect(found[0]?.created_by).toMatchObject({ type: 'api_actor' });
  const redacted = await versions.redact(found[2]?.id ?? '', at);
  expect(redacted).toMatchObject({
    content: null,
    path: null,
    content_sha256: null,
    created_at: found[2]?.created_at,
  });
  expect((await versions.retrieve(found[2]?.id ?? '', at)).redacted_at).not.toBeNull();
  expect((await versions.list(store, { operation: 'modified' })).data).toHaveLength(1);
  expect((await versions.list(store, { session_id: 'sesn_none' })).data).toEqual([]);
  const current = await add('/b');
  expect(await statusOf(versions.redact(current.memory_version_id, at))).toBe(400);
});

test("a session's token reaches the stores of its session, the environment's key none", async () => {
  const stores = fixture.organization.beta.memoryStores;
  const [readOnly, other] = [
    await stores.create({ name: 'Shared notes!' }),
    await stores.create({ name: 'x' }),
  ];
  const session = await fixture.organization.beta.sessions.create({
    agent: fixture.agentId,
    environment_id: fixture.environmentId,
    resources: [
      { type: 'memory_store', memory_store_id: store, instructions: 'Read first.' },
      { type: 'memory_store', memory_store_id: readOnly.id, access: 'read_only' },
    ],
  });
  expect(session.resources).toMatchObject([
    { memory_store_id: store, access: 'read_write', mount_path: '/mnt/memory/notes', name: 'Notes' },
    { memory_store_id: readOnly.id, access: 'read_only', mount_path: '/mnt/memory/shared-notes' },
  ]);
  const { sessions } = fixture.organization.beta;
  expect((await sessions.list({ memory_store_id: store })).data.map(({ id }) => id)).toEqual([session.id]);

  const work = await fixture.poll();
  const secret = JSON.parse(Buffer.from(work.secret ?? '', 'base64url').toString()) as {
    sessions_token: string;
  };
  const worker = fixture.withToken(secret.sessions_token).beta.memoryStores;
  const made = await worker.memories.create(store, { path: '/by-session', content: 'x' });
  const version = await stores.memoryVersions.retrieve(made.memory_version_id, { memory_store_id: store });
  expect(version.created_by).toEqual({ type: 'session_actor', session_id: session.id });
  expect(await statusOf(worker.memories.list(readOnly.id))).toBe(200);
  expect(await statusOf(worker.memories.create(readOnly.id, { path: '/a', content: '' }))).toBe(403);
  expect(await statusOf(worker.memories.list(other.id))).toBe(403);
  expect(await statusOf(worker.delete(store))).toBe(403);
  expect(await statusOf(fixture.environment.beta.memoryStores.memories.list(store))).toBe(403);
});

test('sessions take only stores that can be attached', async () => {
  const attach = (...resources: object[]) =>
    statusOf(
      fixture.organization.beta.sessions.create({
        agent: fixture.agentId,
        environment_id: fixture.environmentId,
        resources: resources as never,
      }),
    );
  const archived = await fixture.organization.beta.memoryStores.create({ name: 'old' });
  await fixture.organization.beta.memoryStores.archive(archived.id);
  const of = (memory_store_id: string) => ({ type: 'memory_store', memory_store_id });
  expect(await attach(of('memstore_none'))).toBe(400);
  expect(await attach(of(archived.id))).toBe(400);
  expect(await attach(of(store), of(store))).toBe(400);
  expect(await attach({ type: 'file', file_id: 'file_1' })).toBe(400);
  const many = [];
  for (let count = 0; count < 9; count += 1) {
    many.push(of((await fixture.organization.beta.memoryStores.create({ name: 'Same' })).id));
  }
  expect(await attach(...many)).toBe(400);
  expect(await attach(...many.slice(0, 8))).toBe(200);
});
