import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
