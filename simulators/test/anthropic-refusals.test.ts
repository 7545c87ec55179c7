import type { APIError } from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

describe('what is refused', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.close());

  test('a result twice, for nothing, or before its approval', async () => {
    const session = await fixture.startSession(script([bash('a'), bash('b', { permission: 'ask' })]));
    const [a, b] = await fixture.calls(session, 2);
    await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await fixture.send(session, fixture.result(a?.id ?? '', 'A'));
    const refusal = await fixture
      .send(session, fixture.result(a?.id ?? '', 'A'))
      .catch((error: APIError) => error);
    expect(refusal).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect((refusal as APIError).message).toContain(`waiting on responses to events [${b?.id}]`);
    expect(await statusOf(fixture.send(session, fixture.result('sevt_unknown', 'x')))).toBe(400);
    expect(await statusOf(fixture.send(session, fixture.result(b?.id ?? '', 'x')))).toBe(400);
  });

  test('a result that a fault picks by its text, or whose text cannot be stored', async () => {
    await fixture.set({ 'result-text': 'clean' });
    await fixture.admin('POST', '/faults', {
      route: 'events.send',
      kind: 'status',
      status: 400,
      match: 'poison',
    });
    const session = await fixture.startSession(script([bash('a')]));
    const id = (await fixture.calls(session, 1))[0]?.id ?? '';
    for (const text of ['some poison', 'a\0b', 'half \ud83d'])
      expect(await statusOf(fixture.send(session, fixture.result(id, text)))).toBe(400);
    expect(await statusOf(fixture.send(session, fixture.result(id, 'whole \u{1f600}')))).toBe(200);
  });

  test('two results for one call in one request, as a whole', async () => {
    const session = await fixture.startSession(script([bash('a')]));
    const [a] = await fixture.calls(session, 1);
    const twice = [fixture.result(a?.id ?? '', '1'), fixture.result(a?.id ?? '', '2')];
    expect(await statusOf(fixture.send(session, ...twice))).toBe(400);
    expect(await statusOf(fixture.send(session, fixture.result(a?.id ?? '', '3')))).toBe(200);
  });

  test('a message while results are due, unless an interrupt comes before it', async () => {
    const session = await fixture.startSession('Use bash to true.');
    await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    expect(await statusOf(fixture.send(session, message('hello?')))).toBe(400);
    await fixture.send(session, { type: 'user.interrupt' }, message('hello?'));
    const events = await fixture.eventsUntil(session, (event) => event.type === 'agent.message');
    expect(agentMessages(events)).toEqual(['I have read your message of 6 characters.']);
  });

  test('message-in-requires-action=accept: it is processed after the round', async () => {
    await fixture.set({ 'message-in-requires-action': 'accept' });
    const session = await fixture.startSession('Use bash to true.');
    const [call] = await fixture.calls(session, 1);
    await fixture.send(session, message('and this'));
    await fixture.send(session, fixture.result(call?.id ?? '', 'done'));
    expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toHaveLength(2);
  });

  test('malformed events, with the place of the error', async () => {
    const session = await fixture.startSession('hello');
    const post = (events: unknown) =>
      fixture.organization.beta.sessions.events
        .send(session, { events: events as never })
        .catch((error) => error);
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
    expect(await statusOf(fixture.send(session, message('a'), system as never))).toBe(200);
  });

  test.each([
    ['409', 409],
    ['404', 404],
    ['400', 400],
  ])('events for an archived session, archived-result=%s', async (value, status) => {
    await fixture.set({ 'archived-result': value });
    const session = await fixture.startSession('Use bash to true.');
    const [call] = await fixture.calls(session, 1);
    await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    const { sessions } = fixture.organization.beta;
    expect((await sessions.archive(session)).status).toBe('terminated');
    expect(await statusOf(fixture.send(session, fixture.result(call?.id ?? '', 'late')))).toBe(status);
    expect(await statusOf(fixture.send(session, message('hello')))).toBe(status);
    expect(await statusOf(sessions.update(session, { title: 'x' }))).toBe(400);
    await fixture.eventsUntil(session, (event) => event.type === 'session.status_terminated');
  });

  test('archiving or deleting a session that runs', async () => {
    await fixture.set({ 'model-delay-ms': '60000' });
    const session = await fixture.startSession('hello');
    const { sessions } = fixture.organization.beta;
    expect(await statusOf(sessions.archive(session))).toBe(400);
    expect(await statusOf(sessions.delete(session))).toBe(400);
    await fixture.send(session, { type: 'user.interrupt' });
    expect(await sessions.delete(session)).toEqual({ id: session, type: 'session_deleted' });
    expect(await statusOf(sessions.retrieve(session))).toBe(404);
    expect(await statusOf(fixture.send(session, message('hello')))).toBe(404);
  });

  test('what is not built, by name', async () => {
    const { beta } = fixture.organization;
    const session = { agent: fixture.agentId, environment_id: fixture.environmentId };
    const refusals = [
      beta.vaults.list(),
      beta.skills.retrieve('xlsx'),
      beta.environments.create({ name: 'x', config: { type: 'cloud' } }),
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
