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
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.close());

const threadsOf = async (session: string) =>
  (await fixture.organization.beta.sessions.threads.list(session)).data;
const eventsOf = async (session: string, thread: string) => {
  const events: SessionEvent[] = [];
  const list = fixture.organization.beta.sessions.threads.events.list(thread, { session_id: session });
  for await (const event of list) events.push(event);
  return events;
};

test("a thread's calls are cross-posted, answered on the session, and its last words reported", async () => {
  const session = await fixture.startSession(
    script(
      {
        threads: [
          { name: 'researcher', message: 'Look it up.', steps: [bash('look', { permission: 'ask' })] },
        ],
      },
      { say: 'Done.' },
    ),
  );
  const [call] = await fixture.calls(session, 1);
  const [primary, child] = await threadsOf(session);
  expect(child).toMatchObject({
    parent_thread_id: primary?.id,
    status: 'idle',
    agent: { type: 'inline', name: 'researcher' },
  });
  expect(call?.session_thread_id).toBe(child?.id);
  await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
  const id = call?.id ?? '';
  await fixture.send(session, { type: 'user.tool_confirmation', tool_use_id: id, result: 'allow' });
  await fixture.send(session, fixture.result(id, 'found'));
  const events = await fixture.eventsUntil(session, turnEnded);
  expect(agentMessages(events)).toEqual(['Done.']);
  const seen = events.map(({ type }) => type).filter((type) => /thread/.test(type));
  expect(seen).toEqual([
    'session.thread_created',
    'agent.thread_message_sent',
    'session.thread_status_running',
    'session.thread_status_idle',
    'session.thread_status_running',
    'agent.thread_message_received',
    'session.thread_status_idle',
  ]);
  const result = events.find(({ type }) => type === 'user.tool_result');
  expect(result).toMatchObject({ session_thread_id: child?.id });

  const own = await eventsOf(session, child?.id ?? '');
  expect(own[0]).toMatchObject({ type: 'agent.thread_message_received' });
  expect(agentMessages(own)).toEqual(['found']);
  const ownCall = own.find(({ type }) => type === 'agent.tool_use');
  expect(ownCall).toMatchObject({ id });
  expect(ownCall).not.toHaveProperty('session_thread_id');
});

test('threads run beside each other; the session waits for the calls of all', async () => {
  const thread = (name: string) => ({ name, terminate: name === 'b', steps: [bash(name)] });
  const session = await fixture.startSession(
    script({ threads: [thread('a'), thread('b')] }, { say: 'Both.' }),
  );
  const calls = await fixture.calls(session, 2);
  const idle = (event: SessionEvent) =>
    event.type === 'session.status_idle' &&
    event.stop_reason.type === 'requires_action' &&
    event.stop_reason.event_ids.length === 2;
  await fixture.eventsUntil(session, idle);
  for (const call of calls) await fixture.send(session, fixture.result(call.id, 'ok'));
  const events = await fixture.eventsUntil(session, turnEnded);
  expect(events.filter(({ type }) => type === 'session.thread_status_terminated')).toHaveLength(1);
  expect((await threadsOf(session)).map((one) => one.status)).toEqual(['idle', 'idle', 'terminated']);
  const filtered = await fixture.organization.beta.sessions.threads.list(session, {
    statuses: ['terminated'],
  });
  expect(filtered.data).toHaveLength(1);
});

test('an interrupt of one thread leaves the others; a late result is refused', async () => {
  const session = await fixture.startSession(
    script(
      {
        threads: [
          { name: 'a', steps: [bash('a')] },
          { name: 'b', steps: [bash('b')] },
        ],
      },
      { say: 'One.' },
    ),
  );
  const [a, b] = await fixture.calls(session, 2);
  await fixture.send(session, { type: 'user.interrupt', session_thread_id: a?.session_thread_id ?? '' });
  expect(await statusOf(fixture.send(session, fixture.result(a?.id ?? '', 'late')))).toBe(400);
  await fixture.send(session, fixture.result(b?.id ?? '', 'ok'));
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['One.']);
  expect(
    await statusOf(fixture.send(session, { type: 'user.interrupt', session_thread_id: 'sthr_none' })),
  ).toBe(400);
});

test('a terminated thread takes no result, and its session goes on', async () => {
  const session = await fixture.startSession(
    script({ threads: [{ name: 'a', steps: [bash('a')] }] }, { say: 'On.' }),
  );
  const [call] = await fixture.calls(session, 1);
  const thread = call?.session_thread_id ?? '';
  const { threads } = fixture.organization.beta.sessions;
  expect(await statusOf(threads.archive(thread, { session_id: session }))).toBe(400);
  await fixture.admin('POST', `/sessions/${session}/threads/${thread}/terminate`);
  expect(await statusOf(fixture.send(session, fixture.result(call?.id ?? '', 'late')))).toBe(400);
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['On.']);
  expect(await threads.archive(thread, { session_id: session })).toMatchObject({
    status: 'terminated',
    archived_at: expect.any(String),
  });
  expect(await statusOf(threads.retrieve('sthr_none', { session_id: session }))).toBe(404);
});

test("a thread's stream has its own events, and previews of its messages", async () => {
  const session = await fixture.startSession(
    script({ threads: [{ name: 'a', steps: [{ wait_ms: 60_000 }, { say: 'Hello from the thread.' }] }] }),
  );
  await expect.poll(async () => (await threadsOf(session)).length).toBe(2);
  const child = (await threadsOf(session))[1]?.id ?? '';
  const stream = await fixture.organization.beta.sessions.threads.events.stream(child, {
    session_id: session,
    event_deltas: ['agent.message'],
  });
  await fixture.admin('POST', '/clock', { advanceMs: 60_000 });
  const seen: string[] = [];
  let text = '';
  for await (const event of stream) {
    seen.push(event.type);
    if (event.type === 'event_delta') text += event.delta.content.text;
    if (event.type === 'session.thread_status_idle') break;
  }
  expect(seen.slice(0, 4)).toEqual([
    'span.model_request_start',
    'event_start',
    'event_delta',
    'agent.message',
  ]);
  expect(text).toBe('Hello from the thread.');
  await fixture.eventsUntil(session, turnEnded);
});

test('an interrupt ends all threads, and the next message begins a turn', async () => {
  const session = await fixture.startSession(
    script({ threads: [{ name: 'a', steps: [bash('a')] }] }, { say: 'No.' }),
  );
  await fixture.calls(session, 1);
  await fixture.send(session, { type: 'user.interrupt' }, message('Next.'));
  const events = await fixture.eventsUntil(session, (event) => event.type === 'agent.message');
  expect(agentMessages(events)).toEqual(['I have read your message of 5 characters.']);
});

test.each(['stay', 'close'])("an interrupt and the calls of a workflow run's threads: %s", async (choice) => {
  await fixture.set({ 'run-calls-at-interrupt': choice });
  const run = { workflow_run: true, threads: [{ name: 'a', steps: [bash('a')] }] };
  const session = await fixture.startSession(script(run, { say: 'No.' }));
  const [call] = await fixture.calls(session, 1);
  const id = call?.id ?? '';
  const thread = call?.session_thread_id ?? '';
  const created = (await fixture.eventsUntil(session, () => true)).find(
    ({ type }) => type === 'session.thread_created',
  );
  expect(created).toMatchObject({ workflow_run_id: expect.stringMatching(/^wfrun_/) });
  await fixture.send(session, { type: 'user.interrupt', session_thread_id: thread });
  await fixture.send(session, { type: 'user.interrupt' });
  await fixture.set({ 'run-calls-at-interrupt': 'stay' });
  if (choice === 'close') {
    expect(await statusOf(fixture.send(session, fixture.result(id, 'late')))).toBe(400);
    return;
  }
  const events = await fixture.eventsUntil(session, (event) => event.type === 'user.interrupt');
  expect(events.findLast(({ type }) => type === 'session.status_idle')).toMatchObject({
    stop_reason: { type: 'requires_action', event_ids: [id] },
  });
  await fixture.send(session, fixture.result(id, 'ok'));
  await fixture.eventsUntil(session, turnEnded);
});
