import type { APIError } from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  bash,
  ended,
  type Fixture,
  isIdle,
  message,
  said,
  script,
  startFixture,
  statusOf,
} from './managed-agents.ts';

describe('a turn', () => {
  let it: Fixture;
  beforeAll(async () => {
    it = await startFixture();
  });
  afterAll(() => it.close());

  test('begins with the message, idles for the call, and ends with what the call gave', async () => {
    const session = await it.say('Use bash to echo hi. Then reply with the output.');
    const [call] = await it.calls(session, 1);
    expect(call).toMatchObject({
      name: 'bash',
      input: { command: 'echo hi' },
      evaluated_permission: 'allow',
      evaluation: { type: 'always_allow' },
    });
    const answered = it.eventsUntil(session, ended);
    await it.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await it.send(session, it.result(call?.id ?? '', 'hi'));
    const events = await answered;
    expect(events.map((event) => event.type)).toEqual([
      'session.status_running',
      'user.message',
      'span.model_request_start',
      'agent.tool_use',
      'span.model_request_end',
      'session.usage',
      'session.status_idle',
      'user.tool_result',
      'session.status_running',
      'span.model_request_start',
      'agent.message',
      'span.model_request_end',
      'session.usage',
      'session.status_idle',
    ]);
    expect(said(events)).toEqual(['hi']);
    expect(events[6]).toMatchObject({ stop_reason: { type: 'requires_action', event_ids: [call?.id] } });
    for (const event of events) expect(event.processed_at).toEqual(expect.any(String));
  });

  test('a script makes calls in parallel and one after another, and says what it is told to', async () => {
    const session = await it.say(
      script([bash('a'), bash('b')], { say: 'half way' }, [bash('c')], { say: 'done' }),
    );
    const [a, b] = await it.calls(session, 2);
    await it.send(session, it.result(b?.id ?? '', 'B'));
    const partly = await it.eventsUntil(
      session,
      (event) =>
        event.type === 'session.status_idle' &&
        event.stop_reason.type === 'requires_action' &&
        event.stop_reason.event_ids.length === 1,
    );
    expect(partly.at(-1)).toMatchObject({ stop_reason: { event_ids: [a?.id] } });
    await it.send(session, it.result(a?.id ?? '', 'A'));
    const [, , c] = await it.calls(session, 3);
    await it.send(session, it.result(c?.id ?? '', 'C'));
    expect(said(await it.eventsUntil(session, ended))).toEqual(['half way', 'done']);
  });

  test('without a last word it answers with all results of the round', async () => {
    const session = await it.say(script([bash('a'), bash('b')]));
    const calls = await it.calls(session, 2);
    await it.send(session, ...calls.map((call) => it.result(call.id, `out of ${call.input.command}`)));
    expect(said(await it.eventsUntil(session, ended))).toEqual(['out of a\nout of b']);
  });

  test('a malformed script is said to be so', async () => {
    expect(said(await it.eventsUntil(await it.say('```tools\nnope\n```'), ended))[0]).toContain('not JSON');
    expect(said(await it.eventsUntil(await it.say(script([])), ended))[0]).toContain('not a list of steps');
  });

  test('a message that comes while the session runs is processed before the turn ends', async () => {
    await it.set({ 'model-delay-ms': '60' });
    const session = await it.say('first');
    const sent = await it.organization.beta.sessions.events.send(session, { events: [message('second')] });
    expect(sent.data?.[0]).toMatchObject({ type: 'user.message', processed_at: null });
    const events = await it.eventsUntil(session, ended);
    await it.set({ 'model-delay-ms': '1' });
    expect(said(events)).toHaveLength(2);
    expect(events.filter((event) => event.type === 'session.status_running')).toHaveLength(1);
  });

  test('web tools and MCP tools are answered by the service', async () => {
    const session = await it.say(
      script([
        { name: 'web_search', input: { query: 'x' } },
        { name: 'find', input: {}, mcp_server: 'tickets', permission: 'allow' },
      ]),
    );
    const events = await it.eventsUntil(session, ended);
    const types = events.map((event) => event.type);
    expect(types).toContain('agent.tool_result');
    expect(types).toContain('agent.mcp_tool_result');
    expect(types.filter((type) => type === 'session.status_idle')).toHaveLength(1);
  });

  test('a custom tool is announced as such and takes its own kind of result', async () => {
    const agent = await it.organization.beta.agents.create({
      name: 'With a custom tool',
      model: 'claude-opus-5-5',
      tools: [{ type: 'custom', name: 'ask_crm', description: 'asks', input_schema: { type: 'object' } }],
    });
    const { id } = await it.organization.beta.sessions.create({
      agent: agent.id,
      environment_id: it.environmentId,
    });
    await it.send(id, message(script([{ name: 'ask_crm', input: { q: 1 } }])));
    const events = await it.eventsUntil(id, (event) => isIdle(event, 'requires_action'));
    const call = events.find((event) => event.type === 'agent.custom_tool_use');
    expect(await statusOf(it.send(id, it.result(call?.id ?? '', 'x')))).toBe(400);
    await it.send(id, {
      type: 'user.custom_tool_result',
      custom_tool_use_id: call?.id ?? '',
      content: [{ type: 'text', text: 'ACME' }],
    });
    expect(said(await it.eventsUntil(id, ended))).toEqual(['ACME']);
  });
});

describe('what is refused', () => {
  let it: Fixture;
  beforeEach(async () => {
    it = await startFixture();
  });
  afterEach(() => it.close());

  test('a result twice, for nothing, or before its approval', async () => {
    const session = await it.say(script([bash('a'), bash('b', { permission: 'ask' })]));
    const [a, b] = await it.calls(session, 2);
    await it.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await it.send(session, it.result(a?.id ?? '', 'A'));
    const refusal = await it.send(session, it.result(a?.id ?? '', 'A')).catch((error: APIError) => error);
    expect(refusal).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect((refusal as APIError).message).toContain(`waiting on responses to events [${b?.id}]`);
    expect(await statusOf(it.send(session, it.result('sevt_unknown', 'x')))).toBe(400);
    expect(await statusOf(it.send(session, it.result(b?.id ?? '', 'x')))).toBe(400);
  });

  test('two results for one call in one request, as a whole', async () => {
    const session = await it.say(script([bash('a')]));
    const [a] = await it.calls(session, 1);
    const twice = [it.result(a?.id ?? '', '1'), it.result(a?.id ?? '', '2')];
    expect(await statusOf(it.send(session, ...twice))).toBe(400);
    expect(await statusOf(it.send(session, it.result(a?.id ?? '', '3')))).toBe(200);
  });

  test('a message while results are due, unless an interrupt comes before it', async () => {
    const session = await it.say('Use bash to true.');
    await it.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    expect(await statusOf(it.send(session, message('hello?')))).toBe(400);
    await it.send(session, { type: 'user.interrupt' }, message('hello?'));
    const events = await it.eventsUntil(session, (event) => event.type === 'agent.message');
    expect(said(events)).toEqual(['I have read your message of 6 characters.']);
  });

  test('message-in-requires-action=accept: it is processed after the round', async () => {
    await it.set({ 'message-in-requires-action': 'accept' });
    const session = await it.say('Use bash to true.');
    const [call] = await it.calls(session, 1);
    await it.send(session, message('and this'));
    await it.send(session, it.result(call?.id ?? '', 'done'));
    expect(said(await it.eventsUntil(session, ended))).toHaveLength(2);
  });

  test('malformed events, with the place of the error', async () => {
    const session = await it.say('hello');
    const post = (events: unknown) =>
      it.organization.beta.sessions.events.send(session, { events: events as never }).catch((error) => error);
    expect((await post([])).status).toBe(400);
    expect((await post([{ type: 'user.shout' }])).status).toBe(400);
    expect((await post([message('a'), { type: 'user.message', content: 'b' }])).message).toContain(
      'events.1.content',
    );
    expect((await post([{ type: 'user.message', content: [], extra: 1 }])).status).toBe(400);
    const outcome = { type: 'user.define_outcome', description: 'x', rubric: { type: 'text', content: 'y' } };
    expect((await post([outcome])).status).toBe(501);
    const system = { type: 'system.message', content: [{ type: 'text', text: 'x' }] };
    expect((await post([system, message('a')])).status).toBe(400);
    expect(await statusOf(it.send(session, message('a'), system as never))).toBe(200);
  });

  test.each([
    ['409', 409],
    ['404', 404],
    ['400', 400],
  ])('events for an archived session, archived-result=%s', async (value, status) => {
    await it.set({ 'archived-result': value });
    const session = await it.say('Use bash to true.');
    const [call] = await it.calls(session, 1);
    await it.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    const { sessions } = it.organization.beta;
    expect((await sessions.archive(session)).status).toBe('terminated');
    expect(await statusOf(it.send(session, it.result(call?.id ?? '', 'late')))).toBe(status);
    expect(await statusOf(it.send(session, message('hello')))).toBe(status);
    expect(await statusOf(sessions.update(session, { title: 'x' }))).toBe(400);
    await it.eventsUntil(session, (event) => event.type === 'session.status_terminated');
  });

  test('archiving or deleting a session that runs', async () => {
    await it.set({ 'model-delay-ms': '60000' });
    const session = await it.say('hello');
    const { sessions } = it.organization.beta;
    expect(await statusOf(sessions.archive(session))).toBe(400);
    expect(await statusOf(sessions.delete(session))).toBe(400);
    await it.send(session, { type: 'user.interrupt' });
    expect(await sessions.delete(session)).toEqual({ id: session, type: 'session_deleted' });
    expect(await statusOf(sessions.retrieve(session))).toBe(404);
    expect(await statusOf(it.send(session, message('hello')))).toBe(404);
  });

  test('what is not built, by name', async () => {
    const { beta } = it.organization;
    const session = { agent: it.agentId, environment_id: it.environmentId };
    const refusals = [
      beta.skills.list(),
      beta.environments.create({ name: 'x', config: { type: 'cloud' } }),
      beta.agents.create({ name: 'x', model: 'm', skills: [{ type: 'anthropic', skill_id: 'pdf' }] }),
      beta.sessions.create({ ...session, resources: [{ type: 'memory_store', memory_store_id: 'm' }] }),
      beta.sessions.create({ ...session, vault_ids: ['v'] }),
    ];
    for (const refusal of refusals) {
      const error = await refusal.catch((reason) => reason);
      expect([error.status, error.message]).toEqual([501, expect.stringContaining('does not implement')]);
    }
    const file = beta.sessions.create({ ...session, resources: [{ type: 'file', file_id: 'f' }] });
    expect(await statusOf(file)).toBe(400);
  });
});

describe('approvals and interrupts', () => {
  let it: Fixture;
  beforeEach(async () => {
    it = await startFixture();
  });
  afterEach(() => it.close());

  const confirm = (call: string, result: 'allow' | 'deny', more = {}) => ({
    type: 'user.tool_confirmation' as const,
    tool_use_id: call,
    result,
    ...more,
  });

  test('an agent that must ask waits for the verdict, then for the result', async () => {
    const agent = await it.organization.beta.agents.create({
      name: 'Careful',
      model: { id: 'claude-opus-5-5' },
      tools: [
        {
          type: 'agent_toolset_20260401',
          configs: [{ name: 'bash', permission_policy: { type: 'always_ask' } }],
        },
      ],
    });
    const { id } = await it.organization.beta.sessions.create({
      agent: { type: 'agent', id: agent.id, version: 1 },
      environment_id: it.environmentId,
    });
    await it.send(id, message(script([bash('rm x'), { name: 'read', input: { file_path: 'x' } }])));
    const [held, free] = await it.calls(id, 2);
    expect([held?.evaluated_permission, free?.evaluated_permission]).toEqual(['ask', 'allow']);
    expect(await statusOf(it.send(id, confirm(free?.id ?? '', 'allow')))).toBe(400);
    await it.send(id, confirm(held?.id ?? '', 'allow'));
    expect(await statusOf(it.send(id, confirm(held?.id ?? '', 'allow')))).toBe(400);
    await it.send(id, it.result(held?.id ?? '', 'gone'), it.result(free?.id ?? '', 'text'));
    expect(said(await it.eventsUntil(id, ended))).toEqual(['gone\ntext']);
  });

  test('a denied call is answered by the service, whoever denied it', async () => {
    const session = await it.say(
      script([bash('a', { permission: 'ask' }), bash('b', { permission: 'deny' })]),
    );
    const [asked] = await it.calls(session, 2);
    expect(await statusOf(it.send(session, confirm(asked?.id ?? '', 'allow', { deny_message: 'x' })))).toBe(
      400,
    );
    await it.send(session, confirm(asked?.id ?? '', 'deny', { deny_message: 'Not today.' }));
    const [answer] = said(await it.eventsUntil(session, ended));
    expect(answer).toContain('Not today.');
  });

  test('an interrupt ends the turn, refuses late results, and queues work if none is open', async () => {
    const session = await it.say('Use bash to sleep 60.');
    const [call] = await it.calls(session, 1);
    const { id } = await it.poll();
    const work = it.environment.beta.environments.work;
    await work.ack(id, { environment_id: it.environmentId });
    await work.stop(id, { environment_id: it.environmentId, force: true });
    expect(await work.poll(it.environmentId)).toBeNull();
    await it.send(session, { type: 'user.interrupt' });
    await it.eventsUntil(session, ended);
    expect(await statusOf(it.send(session, it.result(call?.id ?? '', 'late')))).toBe(400);
    expect((await it.poll()).data.id).toBe(session);
  });

  test('interrupt=server-closes: results of the service, the open item stopped, nothing queued', async () => {
    await it.set({ interrupt: 'server-closes' });
    const session = await it.say('Use bash to sleep 60.');
    const [call] = await it.calls(session, 1);
    const { id } = await it.poll();
    await it.send(session, { type: 'user.interrupt' });
    const events = await it.eventsUntil(session, ended);
    expect(events.find((event) => event.type === 'agent.tool_result')).toMatchObject({
      tool_use_id: call?.id,
    });
    const item = await it.organization.beta.environments.work.retrieve(id, {
      environment_id: it.environmentId,
    });
    expect(item.state).toBe('stopped');
    expect(await it.environment.beta.environments.work.poll(it.environmentId)).toBeNull();
  });

  test('stop-with-open-calls=requeue: a stopped item is followed by another while calls are open', async () => {
    await it.set({ 'stop-with-open-calls': 'requeue' });
    const session = await it.say('Use bash to true.');
    await it.calls(session, 1);
    const { id } = await it.poll();
    await it.environment.beta.environments.work.stop(id, { environment_id: it.environmentId, force: true });
    const next = await it.poll();
    expect([next.data.id, next.id === id]).toEqual([session, false]);
  });

  test('tool-rounds=running: no idle event until the turn ends, except for an approval', async () => {
    await it.set({ 'tool-rounds': 'running' });
    const session = await it.say(script([bash('a')], [bash('b', { permission: 'ask' })]));
    const [a] = await it.calls(session, 1);
    expect((await it.organization.beta.sessions.retrieve(session)).status).toBe('running');
    await it.send(session, it.result(a?.id ?? '', 'A'));
    const [, b] = await it.calls(session, 2);
    await it.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await it.send(session, confirm(b?.id ?? '', 'allow'));
    expect((await it.organization.beta.sessions.retrieve(session)).status).toBe('running');
    await it.send(session, it.result(b?.id ?? '', 'B'));
    const events = await it.eventsUntil(session, ended);
    const statuses = events.flatMap((event) => (event.type.startsWith('session.status') ? [event.type] : []));
    expect(statuses.map((type) => type.replace('session.status_', ''))).toEqual([
      'running',
      'idle',
      'running',
      'idle',
    ]);
  });

  test('parallel-calls=off: the calls of a step come one after another', async () => {
    await it.set({ 'parallel-calls': 'off' });
    const session = await it.say(script([bash('a'), bash('b')]));
    const [a, none] = await it.calls(session, 1);
    expect(none).toBeUndefined();
    await it.send(session, it.result(a?.id ?? '', 'A'));
    expect((await it.calls(session, 2))[1]?.input).toEqual({ command: 'b' });
  });

  test('thread-events=on and archived-status=idle', async () => {
    await it.set({ 'thread-events': 'on', 'archived-status': 'idle' });
    const session = await it.say('hello');
    const events = await it.eventsUntil(session, (event) => event.type === 'session.thread_status_idle');
    const [thread] = (await it.organization.beta.sessions.threads.list(session)).data;
    const threads = events.filter((event) => 'session_thread_id' in event);
    expect(threads).toMatchObject([{ session_thread_id: thread?.id }, { session_thread_id: thread?.id }]);
    const archived = await it.organization.beta.sessions.archive(session);
    expect([archived.status, archived.archived_at]).toEqual(['idle', expect.any(String)]);
  });
});
