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

describe('approvals and interrupts', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.close());

  const confirm = (call: string, result: 'allow' | 'deny', more = {}) => ({
    type: 'user.tool_confirmation' as const,
    tool_use_id: call,
    result,
    ...more,
  });

  test('an agent that must ask waits for the verdict, then for the result', async () => {
    const agent = await fixture.organization.beta.agents.create({
      name: 'Careful',
      model: { id: 'claude-opus-5-5' },
      tools: [
        {
          type: 'agent_toolset_20260401',
          configs: [{ name: 'bash', permission_policy: { type: 'always_ask' } }],
        },
      ],
    });
    const { id } = await fixture.organization.beta.sessions.create({
      agent: { type: 'agent', id: agent.id, version: 1 },
      environment_id: fixture.environmentId,
    });
    await fixture.send(id, message(script([bash('rm x'), { name: 'read', input: { file_path: 'x' } }])));
    const [held, free] = await fixture.calls(id, 2);
    expect([held?.evaluated_permission, free?.evaluated_permission]).toEqual(['ask', 'allow']);
    expect(await statusOf(fixture.send(id, confirm(free?.id ?? '', 'allow')))).toBe(400);
    await fixture.send(id, confirm(held?.id ?? '', 'allow'));
    expect(await statusOf(fixture.send(id, confirm(held?.id ?? '', 'allow')))).toBe(400);
    await fixture.send(id, fixture.result(held?.id ?? '', 'gone'), fixture.result(free?.id ?? '', 'text'));
    expect(agentMessages(await fixture.eventsUntil(id, turnEnded))).toEqual(['gone\ntext']);
  });

  test('confirmation-key: only the organisation confirms, or any credential that sends events', async () => {
    const session = await fixture.startSession(script([bash('a', { permission: 'ask' })]));
    const [asked] = await fixture.calls(session, 1);
    const verdict = { events: [confirm(asked?.id ?? '', 'allow')] };
    const byEnvironment = () => statusOf(fixture.environment.beta.sessions.events.send(session, verdict));
    expect(await byEnvironment()).toBe(403);
    await fixture.set({ 'confirmation-key': 'any' });
    await fixture.environment.beta.sessions.events.send(session, verdict);
    expect(await byEnvironment()).toBe(400);
  });

  test('the service answers a denied call, whether the user or the policy denied it', async () => {
    const session = await fixture.startSession(
      script([bash('a', { permission: 'ask' }), bash('b', { permission: 'deny' })]),
    );
    const [asked] = await fixture.calls(session, 2);
    expect(
      await statusOf(fixture.send(session, confirm(asked?.id ?? '', 'allow', { deny_message: 'x' }))),
    ).toBe(400);
    await fixture.send(session, confirm(asked?.id ?? '', 'deny', { deny_message: 'Not today.' }));
    const [answer] = agentMessages(await fixture.eventsUntil(session, turnEnded));
    expect(answer).toContain('Not today.');
  });

  test('an interrupt ends the turn, refuses late results, and queues work if none is open', async () => {
    const session = await fixture.startSession('Use bash to sleep 60.');
    const [call] = await fixture.calls(session, 1);
    const { id } = await fixture.poll();
    const work = fixture.environment.beta.environments.work;
    await work.ack(id, { environment_id: fixture.environmentId });
    await work.stop(id, { environment_id: fixture.environmentId, force: true });
    expect(await work.poll(fixture.environmentId)).toBeNull();
    await fixture.send(session, { type: 'user.interrupt' });
    await fixture.eventsUntil(session, turnEnded);
    expect(await statusOf(fixture.send(session, fixture.result(call?.id ?? '', 'late')))).toBe(400);
    expect((await fixture.poll()).data.id).toBe(session);
  });

  test('interrupt=server-closes: results of the service, the open item stopped, nothing queued', async () => {
    await fixture.set({ interrupt: 'server-closes' });
    const session = await fixture.startSession('Use bash to sleep 60.');
    const [call] = await fixture.calls(session, 1);
    const { id } = await fixture.poll();
    await fixture.send(session, { type: 'user.interrupt' });
    const events = await fixture.eventsUntil(session, turnEnded);
    expect(events.find((event) => event.type === 'agent.tool_result')).toMatchObject({
      tool_use_id: call?.id,
    });
    const item = await fixture.organization.beta.environments.work.retrieve(id, {
      environment_id: fixture.environmentId,
    });
    expect(item.state).toBe('stopped');
    expect(await fixture.environment.beta.environments.work.poll(fixture.environmentId)).toBeNull();
  });

  test('stop-with-open-calls=requeue: a stopped item is followed by another while calls are open', async () => {
    await fixture.set({ 'stop-with-open-calls': 'requeue' });
    const session = await fixture.startSession('Use bash to true.');
    await fixture.calls(session, 1);
    const { id } = await fixture.poll();
    await fixture.environment.beta.environments.work.stop(id, {
      environment_id: fixture.environmentId,
      force: true,
    });
    const next = await fixture.poll();
    expect([next.data.id, next.id === id]).toEqual([session, false]);
  });

  test('tool-rounds=running: no idle event until the turn ends, except for an approval', async () => {
    await fixture.set({ 'tool-rounds': 'running' });
    const session = await fixture.startSession(script([bash('a')], [bash('b', { permission: 'ask' })]));
    const [a] = await fixture.calls(session, 1);
    expect((await fixture.organization.beta.sessions.retrieve(session)).status).toBe('running');
    await fixture.send(session, fixture.result(a?.id ?? '', 'A'));
    const [, b] = await fixture.calls(session, 2);
    await fixture.eventsUntil(session, (event) => isIdle(event, 'requires_action'));
    await fixture.send(session, confirm(b?.id ?? '', 'allow'));
    expect((await fixture.organization.beta.sessions.retrieve(session)).status).toBe('running');
    await fixture.send(session, fixture.result(b?.id ?? '', 'B'));
    const events = await fixture.eventsUntil(session, turnEnded);
    const statuses = events.flatMap((event) => (event.type.startsWith('session.status') ? [event.type] : []));
    expect(statuses.map((type) => type.replace('session.status_', ''))).toEqual([
      'running',
      'idle',
      'running',
      'idle',
    ]);
  });

  test('parallel-calls=off: the calls of a step come one after another', async () => {
    await fixture.set({ 'parallel-calls': 'off' });
    const session = await fixture.startSession(script([bash('a'), bash('b')]));
    const [a, none] = await fixture.calls(session, 1);
    expect(none).toBeUndefined();
    await fixture.send(session, fixture.result(a?.id ?? '', 'A'));
    expect((await fixture.calls(session, 2))[1]?.input).toEqual({ command: 'b' });
  });

  test('thread-events=on and archived-status=idle', async () => {
    await fixture.set({ 'thread-events': 'on', 'archived-status': 'idle' });
    const session = await fixture.startSession('hello');
    const events = await fixture.eventsUntil(session, (event) => event.type === 'session.thread_status_idle');
    const [thread] = (await fixture.organization.beta.sessions.threads.list(session)).data;
    const threads = events.filter((event) => 'session_thread_id' in event);
    expect(threads).toMatchObject([{ session_thread_id: thread?.id }, { session_thread_id: thread?.id }]);
    const archived = await fixture.organization.beta.sessions.archive(session);
    expect([archived.status, archived.archived_at]).toEqual(['idle', expect.any(String)]);
  });
});
