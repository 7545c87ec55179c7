import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  agentMessages,
  bash,
  type Fixture,
  isIdle,
  message,
  type SessionEvent,
  script,
  startFixture,
  statusOf,
  turnEnded,
} from './managed-agents.ts';

let fixture: Fixture;
let dir: string;
beforeAll(async () => {
  fixture = await startFixture();
  dir = await mkdtemp(join(tmpdir(), 'script-test-'));
});
afterAll(async () => {
  await fixture.close();
  await rm(dir, { recursive: true, force: true });
});

const types = (events: SessionEvent[]) => events.map(({ type }) => type);
const status = async (session: string) => (await fixture.organization.beta.sessions.retrieve(session)).status;

test('text between calls, thinking, calls one after another', async () => {
  const session = await fixture.startSession(
    script({ think: true }, { say: 'First.' }, [bash('a'), bash('b')], { say: 'Then.' }, bash('c')),
  );
  const [a, b] = await fixture.calls(session, 2);
  await fixture.send(session, fixture.result(a?.id ?? '', 'A'), fixture.result(b?.id ?? '', 'B'));
  const c = (await fixture.calls(session, 3))[2];
  await fixture.send(session, fixture.result(c?.id ?? '', 'C'));
  const events = await fixture.eventsUntil(session, turnEnded);
  expect(agentMessages(events)).toEqual(['First.', 'Then.', 'C']);
  expect(types(events)).toContain('agent.thinking');
});

test("the service answers its own tools and MCP tools with the script's result", async () => {
  const session = await fixture.startSession(
    script([
      { name: 'web_search', input: { query: 'x' }, result: 'Found it.' },
      { name: 'lookup', mcp_server: 'crm', permission: 'allow', result: 'No such row.', is_error: true },
    ]),
  );
  const events = await fixture.eventsUntil(session, turnEnded);
  expect(agentMessages(events)).toEqual(['Found it.\nNo such row.']);
  expect(events.find(({ type }) => type === 'agent.tool_result')).toMatchObject({ is_error: false });
  expect(events.find(({ type }) => type === 'agent.mcp_tool_result')).toMatchObject({ is_error: true });
});

test('a turn waits for a file, so that a test can hold it there', async () => {
  const file = join(dir, 'go');
  const session = await fixture.startSession(
    script({ say: 'Waiting.' }, { wait_for_file: file }, { say: 'Went on.' }),
  );
  await fixture.eventsUntil(session, (event) => event.type === 'agent.message');
  expect(await status(session)).toBe('running');
  await writeFile(file, '');
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['Waiting.', 'Went on.']);
});

test("a wait passes on the simulator's clock, and ends with an interrupt", async () => {
  const session = await fixture.startSession(script({ wait_ms: 3_600_000 }, { say: 'An hour later.' }));
  await fixture.eventsUntil(session, (event) => event.type === 'session.status_running');
  await fixture.admin('POST', '/clock', { advanceMs: 3_600_000 });
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['An hour later.']);
  await fixture.send(session, message(script({ wait_ms: 3_600_000 }, { say: 'Never.' })));
  await fixture.send(session, { type: 'user.interrupt' });
  expect(await status(session)).toBe('idle');
  await fixture.admin('POST', '/clock', { advanceMs: 3_600_000 });
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['An hour later.']);
});

test('a transient error is told, tried again, and recovered from', async () => {
  const session = await fixture.startSession(
    script({ error: 'model_overloaded_error', retries: 2 }, { say: 'At last.' }),
  );
  const events = await fixture.eventsUntil(session, turnEnded);
  const errors = events.flatMap((event) => (event.type === 'session.error' ? [event.error] : []));
  expect(errors.map((error) => [error.type, error.retry_status.type])).toEqual([
    ['model_overloaded_error', 'retrying'],
    ['model_overloaded_error', 'retrying'],
  ]);
  expect(types(events).filter((type) => /^session\.status/.test(type))).toEqual([
    'session.status_running',
    'session.status_rescheduled',
    'session.status_running',
    'session.status_rescheduled',
    'session.status_running',
    'session.status_idle',
  ]);
  expect(agentMessages(events)).toEqual(['At last.']);
});

test('an error that exhausts the retries ends the turn; the next message begins another', async () => {
  const session = await fixture.startSession(
    script({ error: 'model_rate_limited_error', retries: 0, end: 'exhausted' }, { say: 'Never said.' }),
  );
  const events = await fixture.eventsUntil(session, (event) => isIdle(event, 'retries_exhausted'));
  expect(events.find(({ type }) => type === 'session.error')).toMatchObject({
    error: { type: 'model_rate_limited_error', retry_status: { type: 'exhausted' } },
  });
  await fixture.send(session, message('Again.'));
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toHaveLength(1);
});

test('a terminal error ends the session', async () => {
  const session = await fixture.startSession(script({ error: 'billing_error', retries: 0, end: 'terminal' }));
  const events = await fixture.eventsUntil(session, (event) => event.type === 'session.status_terminated');
  expect(events.find(({ type }) => type === 'session.error')).toMatchObject({
    error: { retry_status: { type: 'terminal' } },
  });
  expect(await status(session)).toBe('terminated');
});

test('a refusal ends the turn with its category', async () => {
  const session = await fixture.startSession(
    script({ refuse: 'cyber', explanation: 'No.' }, { say: 'Never.' }),
  );
  const events = await fixture.eventsUntil(session, (event) => isIdle(event, 'refusal'));
  expect(events.at(-1)).toMatchObject({
    stop_details: { type: 'refusal', category: 'cyber', explanation: 'No.' },
  });
  expect(agentMessages(events)).toEqual([]);
});

test.each([
  ['not JSON', '```tools\n[{\n```', 'not JSON'],
  ['an unknown step', script({ jump: 1 }), 'not a list of steps'],
  ['an unknown error', script({ error: 'bad_luck' }), 'not a list of steps'],
  ['threads in a thread', script({ threads: [{ name: 'a', steps: [{ threads: [] }] }] }), 'not a list'],
])('a script with %s is answered with what is wrong', async (_what, text, told) => {
  expect(agentMessages(await fixture.eventsUntil(await fixture.startSession(text), turnEnded))[0]).toContain(
    told,
  );
});

const budget = (amount: string) => ({
  type: 'limit' as const,
  max_list_cost: { amount, currency: 'USD' as const },
});
const withBudget = (text: string) =>
  fixture.organization.beta.sessions.create({
    agent: fixture.agentId,
    environment_id: fixture.environmentId,
    budget: budget('50'),
    initial_events: [message(text)],
  });

test('a session stops at its budget, takes the results of its round, goes on when there is more', async () => {
  const { sessions } = fixture.organization.beta;
  const { id } = await withBudget(
    script({ spend_cents: 20 }, { say: 'Cheap.' }, [bash('x')], { spend_cents: 30 }, { say: 'Dear.' }),
  );
  const [call] = await fixture.calls(id, 1);
  await fixture.send(id, fixture.result(call?.id ?? '', 'done'));
  const events = await fixture.eventsUntil(id, (event) => isIdle(event, 'budget_reached'));
  expect(agentMessages(events)).toEqual(['Cheap.']);
  expect(await sessions.retrieve(id)).toMatchObject({
    status: 'idle',
    budget: budget('50'),
    usage: { list_cost: { amount: '50', currency: 'USD' } },
  });
  expect(await statusOf(fixture.send(id, message('More?')))).toBe(400);
  expect(await statusOf(sessions.update(id, { budget: budget('50') }))).toBe(400);
  expect((await sessions.update(id, { budget: budget('80') })).budget).toEqual(budget('80'));
  expect(agentMessages(await fixture.eventsUntil(id, turnEnded))).toEqual(['Cheap.', 'Dear.']);
  expect((await sessions.update(id, { budget: null })).budget).toBeNull();
  expect(await statusOf(sessions.update(id, { budget: budget('90') }))).toBe(400);
});

test('at the cap an interrupt ends the turn, a message is still refused; a session without a budget gets none', async () => {
  const { id } = await withBudget(script({ spend_cents: 60 }, { say: 'Never.' }));
  await fixture.eventsUntil(id, (event) => isIdle(event, 'budget_reached'));
  await fixture.send(id, { type: 'user.interrupt' });
  await fixture.eventsUntil(id, turnEnded);
  expect(await statusOf(fixture.send(id, message('More?')))).toBe(400);
  const free = await fixture.startSession('Hello.');
  const update = fixture.organization.beta.sessions.update(free, { budget: budget('1') });
  expect(await statusOf(update)).toBe(400);
  expect(
    await statusOf(
      withBudget('x').then(({ id: other }) =>
        fixture.organization.beta.sessions.update(other, {
          budget: { type: 'limit', max_list_cost: { amount: '1.5', currency: 'USD' } },
        }),
      ),
    ),
  ).toBe(400);
});
