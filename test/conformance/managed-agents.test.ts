// Tests that hold for Managed Agents and for its simulator, through the unmodified SDK.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuthenticationError, toFile } from '@anthropic-ai/sdk';
import { EnvironmentWorker } from '@anthropic-ai/sdk/lib/environments/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  agentMessages,
  message,
  type SessionEvent,
  statusOf,
  turnEnded,
} from '../../simulators/test/managed-agents.ts';
import { type ManagedAgentsService, managedAgentsService, patience } from './services.ts';

let it: ManagedAgentsService;
beforeAll(async () => {
  it = await managedAgentsService();
}, 120_000);
afterAll(() => it?.end(), 120_000);

const beta = () => it.organization.beta;

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const ids = async (items: AsyncIterable<{ id: string }>) => (await collect(items)).map(({ id }) => id);
const newSession = () => beta().sessions.create({ agent: it.agentId, environment_id: it.environmentId });

test('a wrong key is refused with the envelope of an error and the id of the request', async () => {
  const call = it.withToken('sk-ant-api03-wrong').beta.environments.list();
  const refusal = await Promise.resolve(call).catch((error: AuthenticationError) => error);
  expect(refusal).toBeInstanceOf(AuthenticationError);
  expect(refusal).toMatchObject({
    status: 401,
    type: 'authentication_error',
    requestID: expect.stringMatching(/^req_/),
  });
});

test('environments are made, changed, listed and deleted', async () => {
  const { environments } = beta();
  const made = await environments.create({
    name: it.name('environment'),
    config: { type: 'self_hosted' },
    metadata: { a: '1', b: '2' },
  });
  const changed = await environments.update(made.id, { metadata: { a: null, c: '3' } });
  expect(changed).toMatchObject({ id: made.id, config: { type: 'self_hosted' } });
  expect((await environments.retrieve(made.id)).metadata).toEqual({ b: '2', c: '3' });
  expect(await ids(environments.list())).toContain(made.id);
  await environments.delete(made.id);
  expect(await statusOf(environments.retrieve(made.id))).toBe(404);
});

test('an agent keeps its versions, and a change names the one that it is made to', async () => {
  const { agents } = beta();
  const { id, version } = await agents.create({
    name: it.name('versions'),
    model: 'claude-haiku-4-5',
    system: 'one',
  });
  try {
    expect(version).toBe(1);
    expect((await agents.update(id, { version: 1, system: 'two' })).version).toBe(2);
    expect(await statusOf(agents.update(id, { version: 1, system: 'three' }))).toBe(409);
    const versions = await collect(agents.versions.list(id));
    expect(versions.map(({ system }) => system)).toEqual(['two', 'one']);
  } finally {
    await agents.archive(id);
  }
});

test('sessions are made, changed, listed, archived and deleted', async () => {
  const { sessions } = beta();
  const { id, status, environment_id, agent } = await newSession();
  expect([status, environment_id, agent.id]).toEqual(['idle', it.environmentId, it.agentId]);
  await sessions.update(id, { title: 'A title', metadata: { a: '1' } });
  expect(await sessions.retrieve(id)).toMatchObject({ title: 'A title', metadata: { a: '1' } });
  const listed = (more = {}) => ids(sessions.list({ agent_id: it.agentId, ...more }));
  expect(await listed()).toContain(id);
  await sessions.archive(id);
  expect(await listed()).not.toContain(id);
  expect(await listed({ include_archived: true })).toContain(id);
  await sessions.delete(id);
  expect(await statusOf(sessions.retrieve(id))).toBe(404);
});

test('events that make no sense are refused', async () => {
  const { id } = await newSession();
  const send = (...events: unknown[]) =>
    statusOf(beta().sessions.events.send(id, { events: events as never }));
  expect(await send()).toBe(400);
  expect(await send({ type: 'user.shout' })).toBe(400);
  const result = { type: 'user.tool_result', tool_use_id: 'sevt_unknown', content: [] };
  expect(await send(result)).toBe(400);
  // Deleted at once: a real worker would otherwise keep the session's work item.
  await beta().sessions.delete(id);
});

test('memories are written under paths, listed, changed on a condition, and deleted', async () => {
  const { memoryStores } = beta();
  const { id: store } = await memoryStores.create({ name: it.name('memory') });
  try {
    const { memories } = memoryStores;
    const at = { memory_store_id: store };
    const { id, content_sha256 } = await memories.create(store, { path: '/notes/a.md', content: 'one' });
    expect(await statusOf(memories.create(store, { path: '/notes/a.md', content: 'x' }))).toBe(409);
    expect((await memories.retrieve(id, at)).content).toBe('one');
    const update = (content: string, sha: string) =>
      memories.update(id, {
        ...at,
        content,
        precondition: { type: 'content_sha256', content_sha256: sha },
      });
    await update('two', content_sha256);
    expect(await statusOf(update('three', content_sha256))).toBe(409);
    expect(await ids(memories.list(store, { path_prefix: '/notes/' }) as never)).toEqual([id]);
    await memories.delete(id, at);
    expect(await statusOf(memories.retrieve(id, at))).toBe(404);
  } finally {
    await memoryStores.delete(store);
  }
});

test('skills are uploaded and come back as an archive', async () => {
  const { skills } = beta();
  const folder = `skill-${randomUUID()}`;
  const text = `---\nname: ${folder}\ndescription: Says nothing.\n---\nSay nothing.\n`;
  const { id } = await skills.create({ files: [await toFile(Buffer.from(text), `${folder}/SKILL.md`)] });
  try {
    const [version] = await collect(skills.versions.list(id));
    const archive = await skills.versions.download(version?.id ?? '', { skill_id: id });
    expect((await archive.arrayBuffer()).byteLength).toBeGreaterThan(100);
    expect(await ids(skills.list())).toContain(id);
  } finally {
    await skills.delete(id);
  }
});

test("the SDK's worker runs the commands of a turn, and its item is stopped", async () => {
  const workdir = await mkdtemp(join(tmpdir(), 'conformance-'));
  const stop = new AbortController();
  const worker = new EnvironmentWorker({
    client: it.withToken(it.environmentKey),
    environmentId: it.environmentId,
    environmentKey: it.environmentKey,
    workdir,
    maxIdleMs: 1000,
    signal: stop.signal,
  });
  const running = worker.run();
  try {
    const { id } = await newSession();
    const events = () => collect<SessionEvent>(beta().sessions.events.list(id));
    await beta().sessions.events.send(id, {
      events: [
        message('Use bash to printf conformance-ok | tee proof.txt. Reply with exactly what it printed.'),
      ],
    });
    await expect.poll(async () => (await events()).some(turnEnded), patience).toBe(true);
    expect(agentMessages(await events()).join('\n')).toContain('conformance-ok');
    expect(await readFile(join(workdir, 'proof.txt'), 'utf8')).toBe('conformance-ok');
    const { work } = it.withToken(it.environmentKey).beta.environments;
    const states = async () =>
      (await collect(work.list(it.environmentId)))
        .filter(({ data }) => data.id === id)
        .map(({ state }) => state);
    await expect
      .poll(async () => (await states()).every((state) => state === 'stopped'), patience)
      .toBe(true);
  } finally {
    stop.abort();
    await running.catch(() => undefined);
    await rm(workdir, { recursive: true, force: true });
  }
}, 300_000);
