import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { describe, expect, it } from 'vitest';
import { SessionView } from '../../../activities/session/session-view.ts';

let next = 0;
function event(type: string, fields: object = {}): BetaManagedAgentsSessionEvent {
  next += 1;
  const base = { id: `sevt_${next}`, type, processed_at: '2026-01-01T00:00:00Z' };
  return { ...base, ...fields } as unknown as BetaManagedAgentsSessionEvent;
}
const toolUse = (id: string, fields: object = {}) =>
  event('agent.tool_use', {
    id,
    name: 'bash',
    input: { command: 'ls' },
    evaluated_permission: 'allow',
    ...fields,
  });
const result = (id: string) => event('user.tool_result', { tool_use_id: id, content: [] });
const idle = (reason: object) => event('session.status_idle', { stop_reason: reason });
const viewOf = (...events: BetaManagedAgentsSessionEvent[]) => {
  const view = new SessionView([], null);
  for (const one of events) view.apply(one);
  return view;
};
const openIds = (view: SessionView) => view.report().opened.map(({ id }) => id);
const changeOf = (...events: BetaManagedAgentsSessionEvent[]) => viewOf(...events).report().change;

describe('the end of a turn', () => {
  const end = { type: 'end_turn' };

  it('is settled when every call has its result', () => {
    expect(changeOf(toolUse('a'), result('a'), idle(end))).toMatchObject({ change: 'idle', settled: true });
  });

  it.each([
    ['a call is open', [toolUse('a')]],
    ['a call awaits approval', [toolUse('a', { evaluated_permission: 'ask' })]],
    ['there was a thread', [event('session.thread_created', { session_thread_id: 'sthr_1' })]],
  ])('is not settled where %s', (_what, before) => {
    const change = changeOf(...before, idle(end));
    expect(change).toMatchObject({ change: 'idle' });
    expect(change).not.toHaveProperty('settled');
  });
});

describe('open calls', () => {
  it('are reported once, with a preview and without their input', () => {
    const view = viewOf(toolUse('a', { input: { command: 'echo  "x"\n\n| cat' } }));
    expect(view.report().opened).toEqual([{ id: 'a', name: 'bash', preview: 'echo "x" | cat' }]);
    expect(view.report().opened).toEqual([]);
    expect(view.inputOf('a')).toMatchObject({ input: { command: 'echo  "x"\n\n| cat' } });
  });

  it('have a preview that reads as it is: no control, bidi or half characters', () => {
    const view = viewOf(toolUse('a', { input: { command: 'rm \u202ecod.tab\u0007 \ud83d end' } }));
    expect(view.report().opened[0]?.preview).toMatch(/^rm +cod\.tab +end$/);
  });

  it('have a preview of at most 160 characters', () => {
    const view = viewOf(toolUse('a', { input: { command: 'x'.repeat(10_000) } }));
    expect(view.report().opened[0]?.preview).toHaveLength(160);
  });

  it('are not those with an answer, in whatever order the two are seen', () => {
    expect(openIds(viewOf(toolUse('a'), result('a')))).toEqual([]);
    expect(openIds(viewOf(result('a'), toolUse('a')))).toEqual([]);
    expect(viewOf(toolUse('a'), result('a')).isAnswered('a')).toBe(true);
  });

  it('are not those that run at the service', () => {
    expect(openIds(viewOf(toolUse('a', { name: 'web_search' })))).toEqual([]);
    expect(openIds(viewOf(event('agent.custom_tool_use', { name: 'bash', input: {} })))).toEqual([]);
    expect(openIds(viewOf(event('agent.mcp_tool_use', { name: 'bash', input: {} })))).toEqual([]);
  });

  it('are not those that were denied', () => {
    expect(openIds(viewOf(toolUse('a', { evaluated_permission: 'deny' })))).toEqual([]);
  });

  it('are held until they are allowed, also under a permission that nobody knows yet', () => {
    for (const permission of ['ask', 'ask_the_cat']) {
      const view = viewOf(toolUse('a', { evaluated_permission: permission }));
      expect(view.report().opened).toMatchObject([{ id: 'a', awaitingApproval: true }]);
      view.apply(event('user.tool_confirmation', { tool_use_id: 'a', result: 'allow' }));
      const [released] = view.report().opened;
      expect(released).toMatchObject({ id: 'a' });
      expect(released?.awaitingApproval).toBeUndefined();
    }
  });

  it('of a terminated thread are closed', () => {
    const view = viewOf(toolUse('a', { session_thread_id: 't1' }), toolUse('b'));
    view.report();
    view.apply(event('session.thread_status_terminated', { session_thread_id: 't1' }));
    expect(view.report().closed).toMatchObject([{ callIds: ['a'], why: 'thread terminated' }]);
    expect(
      openIds(
        viewOf(
          event('session.thread_status_terminated', { session_thread_id: 't1' }),
          toolUse('c', { session_thread_id: 't1' }),
        ),
      ),
    ).toEqual([]);
  });

  it('of one thread are closed by an interrupt that names it; no name means all', () => {
    const child = event('session.thread_created', { session_thread_id: 't1' });
    const calls = [child, toolUse('a', { session_thread_id: 't1' }), toolUse('b')];
    const closedBy = (fields: object) => {
      const view = viewOf(...calls);
      view.report();
      view.apply(event('user.interrupt', fields));
      return view.report().closed.flatMap(({ callIds }) => callIds);
    };
    expect(closedBy({ session_thread_id: 't1' })).toEqual(['a']);
    // Calls of the primary thread name none, so whatever is no subagent's thread is the primary one.
    expect(closedBy({ session_thread_id: 'the_primary' })).toEqual(['b']);
    expect(closedBy({})).toEqual(['a', 'b']);
  });

  it('have a preview that does not depend on how large the input is', () => {
    const huge = { file_path: `/mnt/${'x'.repeat(5_000_000)}`, content: '' };
    expect(viewOf(toolUse('a', { input: huge })).report().opened[0]?.preview).toHaveLength(160);
  });

  it('are closed by an interrupt, once', () => {
    const view = viewOf(toolUse('a'), toolUse('b'));
    view.report();
    const interrupt = event('user.interrupt');
    view.apply(interrupt);
    expect(view.report().closed).toEqual([
      { eventId: interrupt.id, callIds: ['a', 'b'], why: 'interrupted' },
    ]);
    view.apply(interrupt);
    expect(view.report().closed).toEqual([]);
  });

  it('that the workflow holds already are closed although nobody saw them open', () => {
    const view = new SessionView([{ id: 'a', awaitingApproval: true }], 'running');
    view.apply(toolUse('a'));
    view.apply(event('user.tool_confirmation', { tool_use_id: 'a', result: 'deny' }));
    expect(view.report().closed).toMatchObject([{ callIds: ['a'], why: 'denied' }]);
  });
});

describe('the turn', () => {
  it('ends with every reason but requires_action', () => {
    for (const type of ['end_turn', 'refusal', 'budget_reached', 'something_new'])
      expect(viewOf(idle({ type })).report().change).toMatchObject({ change: 'idle', reason: type });
  });

  it('goes on while a call of ours is open', () => {
    const view = viewOf(toolUse('a'), idle({ type: 'requires_action', event_ids: ['a'] }));
    expect(view.report().change).toMatchObject({ change: 'running' });
  });

  it('waits for an approval, or for another client', () => {
    const ask = viewOf(
      toolUse('a', { evaluated_permission: 'ask' }),
      idle({ type: 'requires_action', event_ids: ['a'] }),
    );
    expect(ask.report().change).toMatchObject({ change: 'waiting', reason: 'an approval' });
    const custom = viewOf(idle({ type: 'requires_action', event_ids: ['c'] }));
    expect(custom.report().change).toMatchObject({ change: 'waiting', reason: 'another client' });
  });

  it('waits for others as soon as our own calls are answered, with or without another idle event', () => {
    const view = viewOf(
      toolUse('a'),
      event('agent.custom_tool_use', { id: 'c', name: 'ask_a_person', input: {} }),
      idle({ type: 'requires_action', event_ids: ['a', 'c'] }),
    );
    expect(view.report().change).toMatchObject({ change: 'running' });
    view.apply(result('a'));
    expect(view.report().change).toMatchObject({ change: 'waiting', reason: 'another client' });
    view.apply(event('user.custom_tool_result', { custom_tool_use_id: 'c', content: [] }));
    expect(view.report().change).toMatchObject({ change: 'running' });
  });

  it('is at work again when the last approval was given', () => {
    const view = viewOf(
      toolUse('a', { evaluated_permission: 'ask' }),
      idle({ type: 'requires_action', event_ids: ['a'] }),
    );
    expect(view.report().change).toMatchObject({ change: 'waiting' });
    view.apply(event('user.tool_confirmation', { tool_use_id: 'a', result: 'allow' }));
    expect(view.report()).toMatchObject({ opened: [{ id: 'a' }], change: { change: 'running' } });
  });

  it('is reported when it changes, and only then', () => {
    const view = new SessionView([], 'running');
    view.apply(event('session.status_running'));
    expect(view.report().change).toBeNull();
    view.apply(idle({ type: 'end_turn' }));
    expect(view.report().change).toMatchObject({ change: 'idle' });
    expect(view.report().change).toBeNull();
  });

  it.each([
    ['session.status_terminated', 'terminated'],
    ['session.deleted', 'deleted'],
  ])('%s ends the session', (type, change) => {
    expect(viewOf(event(type)).report().change).toMatchObject({ change });
  });
});

it('is not moved by events that nobody knows', () => {
  expect(viewOf(event('span.model_request_start'), event('brand.new')).report()).toEqual({
    opened: [],
    closed: [],
    change: null,
  });
});

describe('an interrupt', () => {
  const interrupt = (fields: object = {}) => event('user.interrupt', fields);
  const waitsFor = (...ids: string[]) => idle({ type: 'requires_action', event_ids: ids });

  it("leaves the calls of a workflow run's threads as they are", () => {
    const thread = (id: string, run: string | null) =>
      event('session.thread_created', { session_thread_id: id, workflow_run_id: run });
    const calls = [toolUse('a', { session_thread_id: 't1' }), toolUse('b', { session_thread_id: 't2' })];
    for (const named of [{}, { session_thread_id: 't1' }]) {
      const view = viewOf(
        thread('t1', 'run_1'),
        thread('t2', null),
        ...calls,
        toolUse('c'),
        interrupt(named),
      );
      expect(openIds(view)).toEqual('session_thread_id' in named ? ['a', 'b', 'c'] : ['a']);
    }
    const ended = event('session.thread_status_terminated', { session_thread_id: 't1' });
    expect(openIds(viewOf(thread('t1', 'run_1'), ...calls, ended))).toEqual(['b']);
  });

  it('has not closed a call that the session names afterwards: it is reported once more', () => {
    const view = viewOf(toolUse('a'), toolUse('b'), waitsFor('a', 'b'), interrupt(), waitsFor('a'));
    const { opened, closed, change } = view.report();
    expect(opened).toEqual([{ id: 'a', name: 'bash', preview: 'ls', stillAwaited: true }]);
    expect(closed).toMatchObject([{ callIds: ['b'], why: 'interrupted' }]);
    expect(change).toMatchObject({ change: 'running' });
    expect(view.report().opened).toEqual([]);
    view.apply(result('a'));
    view.apply(idle({ type: 'end_turn' }));
    expect(view.report().change).toMatchObject({ change: 'idle' });
  });

  it('that was sent and has not taken effect yet may be followed by such an event', () => {
    const sent = interrupt({ id: 'i', processed_at: null });
    const view = viewOf(toolUse('a'), sent, waitsFor('a'));
    expect(view.report()).toMatchObject({ opened: [], closed: [{ eventId: 'i', callIds: ['a'] }] });
    view.apply(toolUse('late'));
    view.apply({ ...sent, processed_at: '2026-01-01T00:00:01Z' } as never);
    expect(view.report().closed).toMatchObject([{ eventId: 'i', callIds: ['late'] }]);
    view.apply(waitsFor('a'));
    expect(view.report().opened).toMatchObject([{ id: 'a', stillAwaited: true }]);
  });
});

it('is not taken back to an older status by an event that the stream had left out', () => {
  const running = event('session.status_running', { processed_at: '2026-01-01T00:00:01Z' });
  const view = viewOf(
    event('session.status_idle', {
      stop_reason: { type: 'end_turn' },
      processed_at: '2026-01-01T00:00:01.5Z',
    }),
  );
  expect(view.report().change).toMatchObject({ change: 'idle' });
  view.apply(running);
  expect(view.report().change).toBeNull();
});
