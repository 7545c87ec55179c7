import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Fixture,
  message,
  type SessionEvent,
  startFixture,
  statusOf,
  turnEnded,
} from './managed-agents.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.close());

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('lists', () => {
  test('events: pages, order, types, times', async () => {
    const session = await fixture.startSession('hello');
    const events = await fixture.eventsUntil(session, turnEnded);
    const { list } = bound();
    const ids = (all: { id: string }[]) => all.map((event) => event.id);
    expect(ids(await collect(list(session, { limit: 2 })))).toEqual(ids(events));
    expect(ids(await collect(list(session, { limit: 3, order: 'desc' })))).toEqual(
      ids([...events].reverse()),
    );
    const types = await collect(list(session, { types: ['agent.message', 'user.message'] }));
    expect(types.map((event) => event.type)).toEqual(['user.message', 'agent.message']);
    const at = events[2]?.processed_at as string;
    const after = await collect(list(session, { 'created_at[gt]': at }));
    const from = await collect(list(session, { 'created_at[gte]': at }));
    const isAfter = (event: SessionEvent) => Date.parse(event.processed_at ?? '') > Date.parse(at);
    expect(ids(after)).toEqual(ids(events.filter(isAfter)));
    expect(from.length).toBeGreaterThan(after.length);
    const { next_page } = await list(session, { limit: 1 });
    expect(await statusOf(list(session, { page: next_page, order: 'desc' }))).toBe(400);
    expect(await statusOf(list(session, { limit: 0 }))).toBe(400);
    expect(await statusOf(list(session, { 'created_at[gt]': 'soon' }))).toBe(400);
  });

  function bound() {
    const { events } = fixture.organization.beta.sessions;
    return { list: events.list.bind(events) };
  }

  test('sessions: newest first, without archived ones, by agent and status', async () => {
    const { agents, sessions } = fixture.organization.beta;
    const agent = await agents.create({ name: 'Other', model: 'claude-opus-5-5' });
    const made: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      const { id } = await sessions.create({ agent: agent.id, environment_id: fixture.environmentId });
      made.unshift(id);
    }
    const mine = { agent_id: agent.id };
    const ids = async (more = {}) => (await collect(sessions.list({ ...mine, ...more }))).map(({ id }) => id);
    expect(await ids({ limit: 2 })).toEqual(made);
    expect(await ids({ order: 'asc' })).toEqual([...made].reverse());
    await sessions.archive(made[0] ?? '');
    expect(await ids()).toEqual(made.slice(1));
    expect(await ids({ include_archived: true, statuses: ['terminated'] })).toEqual(made.slice(0, 1));
    expect(await ids({ agent_version: 2 })).toEqual([]);
    const second = await sessions.list({
      ...mine,
      limit: 2,
      page: (await sessions.list({ ...mine, limit: 2 })).next_page,
    });
    const back = await sessions.list({ ...mine, limit: 2, page: second.prev_page });
    expect(back.data.map(({ id }) => id)).toEqual(made.slice(1, 3));
  });

  test('agents keep their versions, and a session the one that it was made with', async () => {
    const { agents, sessions } = fixture.organization.beta;
    const agent = await agents.create({ name: 'A', model: 'claude-opus-5-5', system: 'one' });
    const { id } = await sessions.create({ agent: agent.id, environment_id: fixture.environmentId });
    expect(await agents.update(agent.id, { system: 'two', version: 1 })).toMatchObject({ version: 2 });
    expect(await statusOf(agents.update(agent.id, { system: 'three', version: 1 }))).toBe(409);
    const versions = await collect(agents.versions.list(agent.id));
    expect(versions.map(({ version, system }) => [version, system])).toEqual([
      [2, 'two'],
      [1, 'one'],
    ]);
    expect((await sessions.retrieve(id)).agent).toMatchObject({ version: 1, system: 'one' });
    await agents.archive(agent.id);
    expect(await statusOf(sessions.create({ agent: agent.id, environment_id: fixture.environmentId }))).toBe(
      400,
    );
  });

  test('environments are made, changed, archived, deleted', async () => {
    const { environments, sessions } = fixture.organization.beta;
    const { id } = await environments.create({ name: 'Second', config: { type: 'self_hosted' } });
    await environments.update(id, { metadata: { a: '1', b: '2' } });
    const changed = await environments.update(id, { name: 'Renamed', metadata: { a: null } });
    expect([changed.name, changed.metadata]).toEqual(['Renamed', { b: '2' }]);
    expect((await collect(environments.list())).map((entry) => entry.id)).toContain(id);
    await environments.archive(id);
    const refusal = await sessions
      .create({ agent: fixture.agentId, environment_id: id })
      .catch((error) => error);
    expect([refusal.status, refusal.errorCode]).toEqual([400, 'environment_archived']);
    expect(await environments.delete(id)).toEqual({ id, type: 'environment_deleted' });
    expect(await statusOf(environments.retrieve(id))).toBe(404);
  });

  test('a session is changed by patches', async () => {
    const { sessions } = fixture.organization.beta;
    const { id } = await sessions.create({
      agent: { type: 'agent_with_overrides', id: fixture.agentId, system: 'Be brief.' },
      environment_id: fixture.environmentId,
      title: 'First',
      metadata: { a: '1', b: '2' },
    });
    const changed = await sessions.update(id, { metadata: { a: null, c: '3' } });
    expect(changed).toMatchObject({
      title: 'First',
      metadata: { b: '2', c: '3' },
      agent: { system: 'Be brief.' },
    });
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v']));
    expect(await statusOf(sessions.update(id, { metadata: many }))).toBe(400);
  });
});

describe('the stream', () => {
  test('shows what happens after it was opened, and ends when the session is deleted', async () => {
    const { sessions } = fixture.organization.beta;
    const { id } = await sessions.create({ agent: fixture.agentId, environment_id: fixture.environmentId });
    const stream = await sessions.events.stream(id);
    await fixture.send(id, message('hello'));
    const seen: { type: string; processed_at?: string | null }[] = [];
    for await (const event of stream) {
      seen.push(event as never);
      if (event.type === 'session.status_idle') await sessions.delete(id);
    }
    const messages = seen.filter((event) => event.type === 'user.message').map((event) => event.processed_at);
    expect(messages).toEqual([null, expect.any(String)]);
    expect(seen.at(-1)?.type).toBe('session.deleted');
  });

  test('is pinged and framed with event lines', async () => {
    await fixture.set({ 'stream-ping-seconds': '1' });
    const { id } = await fixture.organization.beta.sessions.create({
      agent: fixture.agentId,
      environment_id: fixture.environmentId,
    });
    const response = await fixture.organization.beta.sessions.events.stream(id).asResponse();
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body?.getReader();
    const chunk = await reader?.read();
    expect(Buffer.from(chunk?.value as Uint8Array).toString()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    await reader?.cancel();
    await fixture.set({ 'stream-ping-seconds': '15' });
    const deltas = fixture.organization.beta.sessions.events.stream(id, {
      event_deltas: ['agent.shout' as never],
    });
    expect(await statusOf(deltas)).toBe(400);
  });

  test.each([
    [{ route: 'events.stream', kind: 'cut-stream' }, 1],
    [{ route: 'stream.event', kind: 'drop', match: 'agent.message' }, 4],
    [{ route: 'stream.event', kind: 'commit-then-drop', match: 'agent.message' }, 5],
  ])('is cut by the fault %j', async (fault, frames) => {
    const { sessions } = fixture.organization.beta;
    const { id } = await sessions.create({ agent: fixture.agentId, environment_id: fixture.environmentId });
    await fixture.admin('POST', '/faults', { ...fault, times: 1 });
    const stream = await sessions.events.stream(id);
    await fixture.send(id, message('hello'));
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of stream) seen.push(event.type);
    })();
    await expect(reading).rejects.toThrow();
    expect(seen).toHaveLength(frames);
    await fixture.admin('DELETE', '/faults');
  });

  test.each(['events.stream', 'stream.event'])(
    'that stalls at %s stays open and says nothing',
    async (route) => {
      await fixture.set({ 'stream-ping-seconds': '1' });
      await fixture.admin('POST', '/faults', { route, kind: 'stall', times: 1 });
      const { id } = await fixture.organization.beta.sessions.create({
        agent: fixture.agentId,
        environment_id: fixture.environmentId,
      });
      const response = await fixture.organization.beta.sessions.events.stream(id).asResponse();
      await fixture.send(id, message('hello'));
      await fixture.eventsUntil(id, turnEnded);
      const reader = response.body?.getReader();
      const quiet = new Promise((resolve) => setTimeout(resolve, 1_500, 'quiet'));
      expect(await Promise.race([reader?.read(), quiet])).toBe('quiet');
      await reader?.cancel();
    },
  );
});
