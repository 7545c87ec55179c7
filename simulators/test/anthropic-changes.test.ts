/** Updates of existing objects, and their webhooks. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bash, type Fixture, isIdle, script, startFixture, statusOf, turnEnded } from './managed-agents.ts';

interface Told {
  type: string;
  id: string;
  session_thread_id?: string;
}

let fixture: Fixture;
let receiver: Server;
let told: Told[];
beforeEach(async () => {
  told = [];
  receiver = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    told.push((JSON.parse(text) as { data: Told }).data);
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  fixture = await startFixture();
  const { port } = receiver.address() as AddressInfo;
  await fixture.admin('POST', '/webhooks', { url: `http://127.0.0.1:${port}/`, types: ['*'] });
});
afterEach(async () => {
  await fixture.close();
  receiver.closeAllConnections();
  receiver.close();
});

const types = (id: string) => told.filter((one) => one.id === id).map(({ type }) => type);
const hears = (id: string, ...wanted: string[]) =>
  expect.poll(() => types(id)).toEqual(expect.arrayContaining(wanted));

test('agents, environments and memory stores tell of their lives', async () => {
  const { agents, environments, memoryStores } = fixture.organization.beta;
  const agent = await agents.create({ name: 'a', model: 'claude-opus-5-5' });
  await agents.update(agent.id, { version: 1, name: 'b' });
  await agents.archive(agent.id);
  await hears(agent.id, 'agent.created', 'agent.updated', 'agent.archived');
  const environment = await environments.create({ name: 'e', config: { type: 'self_hosted' } });
  await environments.update(environment.id, { name: 'f' });
  await environments.archive(environment.id);
  await environments.delete(environment.id);
  const ofEnvironment = ['created', 'updated', 'archived', 'deleted'].map((what) => `environment.${what}`);
  await hears(environment.id, ...ofEnvironment);
  const store = await memoryStores.create({ name: 's' });
  await memoryStores.archive(store.id);
  await memoryStores.delete(store.id);
  await hears(store.id, 'memory_store.created', 'memory_store.archived', 'memory_store.deleted');
});

test('a session tells of threads, retries, its budget and its end', async () => {
  const { sessions } = fixture.organization.beta;
  await fixture.set({ 'undocumented-webhooks': 'on' });
  const session = await sessions.create({
    agent: fixture.agentId,
    environment_id: fixture.environmentId,
    budget: { type: 'limit', max_list_cost: { amount: '10', currency: 'USD' } },
    initial_events: [
      {
        type: 'user.message',
        content: [
          {
            type: 'text',
            text: script(
              { error: 'unknown_error' },
              { threads: [{ name: 't', terminate: true, steps: [{ say: 'x' }] }] },
              [bash('x')],
              { spend_cents: 10 },
              { say: 'Never.' },
            ),
          },
        ],
      },
    ],
  });
  const [call] = await fixture.calls(session.id, 1);
  await fixture.send(session.id, fixture.result(call?.id ?? '', ''));
  await fixture.eventsUntil(session.id, (event) => isIdle(event, 'budget_reached'));
  await sessions.archive(session.id);
  await sessions.delete(session.id);
  await hears(
    session.id,
    ...['created', 'pending', 'running', 'requires_action', 'idled', 'budget_reached'].map(
      (t) => `session.${t}`,
    ),
    ...['status_run_started', 'status_idled', 'status_rescheduled', 'status_terminated'].map(
      (t) => `session.${t}`,
    ),
    ...['thread_created', 'thread_idled', 'thread_terminated', 'archived', 'deleted'].map(
      (t) => `session.${t}`,
    ),
  );
  const ofThreads = told.filter(({ type }) => type.startsWith('session.thread_'));
  expect(ofThreads.every((one) => one.session_thread_id?.startsWith('sthr_'))).toBe(true);
});

test("a session's tools, title and metadata change, and the event has what changed", async () => {
  const { sessions } = fixture.organization.beta;
  const session = await fixture.startSession('Hello.');
  await fixture.eventsUntil(session, turnEnded);
  const tools = [
    {
      type: 'custom' as const,
      name: 'ask_sales',
      description: 'Asks.',
      input_schema: { type: 'object' as const },
    },
  ];
  const changed = await sessions.update(session, { agent: { tools }, title: 'New' });
  expect(changed.agent.tools).toEqual(tools);
  const events = await fixture.eventsUntil(session, (event) => event.type === 'session.updated');
  const update = events.find(({ type }) => type === 'session.updated');
  expect(update).toMatchObject({ title: 'New', agent: { tools } });
  expect(update).not.toHaveProperty('metadata');
  // An update without changes sends no webhook.
  await sessions.update(session, { title: 'New' });
  await hears(session, 'session.updated');
  const again = await fixture.eventsUntil(session, (event) => event.type === 'session.updated');
  expect(again.filter(({ type }) => type === 'session.updated')).toHaveLength(1);
  expect(await statusOf(sessions.update(session, { agent: { system: 'x' } as never }))).toBe(400);
  const call = script({ name: 'ask_sales', input: {} });
  await fixture.send(session, { type: 'user.message', content: [{ type: 'text', text: call }] });
  await fixture.eventsUntil(session, (event) => event.type === 'agent.custom_tool_use');
});

test("a session's resources are listed and stay", async () => {
  const { memoryStores, sessions } = fixture.organization.beta;
  const store = await memoryStores.create({ name: 'Notes' });
  const { id } = await sessions.create({
    agent: fixture.agentId,
    environment_id: fixture.environmentId,
    resources: [{ type: 'memory_store', memory_store_id: store.id }],
  });
  const attached = { memory_store_id: store.id, mount_path: '/mnt/memory/notes' };
  expect((await sessions.resources.list(id)).data).toMatchObject([attached]);
  expect(await sessions.resources.retrieve(store.id, { session_id: id })).toMatchObject(attached);
  expect(await statusOf(sessions.resources.retrieve('none', { session_id: id }))).toBe(404);
  expect(await statusOf(sessions.resources.delete(store.id, { session_id: id }))).toBe(400);
  expect(await statusOf(sessions.resources.add(id, { type: 'file', file_id: 'f' }))).toBe(400);
});
