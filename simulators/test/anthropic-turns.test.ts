import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  agentMessages,
  bash,
  type Fixture,
  isIdle,
  message,
  script,
  startFixture,
  statusOf,
  turnEnded,
} from './managed-agents.ts';

describe('a turn', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture();
  });
  afterAll(() => fixture.close());

  test('begins with the message, idles for the call, and ends with what the call gave', async () => {
    const session = await fixture.startSession('Use bash to echo hi. Then reply with the output.');
    const [call] = await fixture.calls(session, 1);
    expect(call).toMatchObject({
      name: 'bash',
      input: { command: 'echo hi' },
      evaluated_permission: 'allow',
      evaluation: { type: 'always_allow' },
    });
    const answered = fixture.eventsUntil(session, turnEnded);
    await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await fixture.send(session, fixture.result(call?.id ?? '', 'hi'));
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
    expect(agentMessages(events)).toEqual(['hi']);
    expect(events[6]).toMatchObject({ stop_reason: { type: 'requires_action', event_ids: [call?.id] } });
    for (const event of events) expect(event.processed_at).toEqual(expect.any(String));
  });

  test('a script makes calls in parallel and one after another, and says what it is told to', async () => {
    const session = await fixture.startSession(
      script([bash('a'), bash('b')], { say: 'half way' }, [bash('c')], { say: 'done' }),
    );
    const [a, b] = await fixture.calls(session, 2);
    await fixture.send(session, fixture.result(b?.id ?? '', 'B'));
    const partly = await fixture.eventsUntil(
      session,
      (event) =>
        event.type === 'session.status_idle' &&
        event.stop_reason.type === 'requires_action' &&
        event.stop_reason.event_ids.length === 1,
    );
    expect(partly.at(-1)).toMatchObject({ stop_reason: { event_ids: [a?.id] } });
    await fixture.send(session, fixture.result(a?.id ?? '', 'A'));
    const [, , c] = await fixture.calls(session, 3);
    await fixture.send(session, fixture.result(c?.id ?? '', 'C'));
    expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['half way', 'done']);
  });

  test('without a last word it answers with all results of the round', async () => {
    const session = await fixture.startSession(script([bash('a'), bash('b')]));
    const calls = await fixture.calls(session, 2);
    await fixture.send(
      session,
      ...calls.map((call) => fixture.result(call.id, `out of ${call.input.command}`)),
    );
    expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['out of a\nout of b']);
  });

  test('a malformed script is said to be so', async () => {
    expect(
      agentMessages(
        await fixture.eventsUntil(await fixture.startSession('```tools\nnope\n```'), turnEnded),
      )[0],
    ).toContain('not JSON');
    expect(
      agentMessages(await fixture.eventsUntil(await fixture.startSession(script([])), turnEnded))[0],
    ).toContain('not a list of steps');
  });

  test('a message that comes while the session runs is processed before the turn ends', async () => {
    await fixture.set({ 'model-delay-ms': '60' });
    const session = await fixture.startSession('first');
    const sent = await fixture.organization.beta.sessions.events.send(session, {
      events: [message('second')],
    });
    expect(sent.data?.[0]).toMatchObject({ type: 'user.message', processed_at: null });
    const events = await fixture.eventsUntil(session, turnEnded);
    await fixture.set({ 'model-delay-ms': '1' });
    expect(agentMessages(events)).toHaveLength(2);
    expect(events.filter((event) => event.type === 'session.status_running')).toHaveLength(1);
  });

  test('web tools and MCP tools are answered by the service', async () => {
    const session = await fixture.startSession(
      script([
        { name: 'web_search', input: { query: 'x' } },
        { name: 'find', input: {}, mcp_server: 'tickets', permission: 'allow' },
      ]),
    );
    const events = await fixture.eventsUntil(session, turnEnded);
    const types = events.map((event) => event.type);
    expect(types).toContain('agent.tool_result');
    expect(types).toContain('agent.mcp_tool_result');
    expect(types.filter((type) => type === 'session.status_idle')).toHaveLength(1);
  });

  test('a custom tool is announced as such and takes its own kind of result', async () => {
    const agent = await fixture.organization.beta.agents.create({
      name: 'With a custom tool',
      model: 'claude-opus-5-5',
      tools: [{ type: 'custom', name: 'ask_crm', description: 'asks', input_schema: { type: 'object' } }],
    });
    const { id } = await fixture.organization.beta.sessions.create({
      agent: agent.id,
      environment_id: fixture.environmentId,
    });
    await fixture.send(id, message(script([{ name: 'ask_crm', input: { q: 1 } }])));
    const events = await fixture.eventsUntil(id, (event) => isIdle(event, 'requires_action'));
    const call = events.find((event) => event.type === 'agent.custom_tool_use');
    expect(await statusOf(fixture.send(id, fixture.result(call?.id ?? '', 'x')))).toBe(400);
    await fixture.send(id, {
      type: 'user.custom_tool_result',
      custom_tool_use_id: call?.id ?? '',
      content: [{ type: 'text', text: 'ACME' }],
    });
    expect(agentMessages(await fixture.eventsUntil(id, turnEnded))).toEqual(['ACME']);
  });
});
