/** The status of a session: each change with its events and its webhook. */
import type { EventLog } from './event-log.ts';
import type { SessionRecord, State } from './state.ts';
import type { Webhooks } from './webhooks.ts';

export type StopReason = { type: 'end_turn' } | { type: 'requires_action'; event_ids: string[] };

export class Statuses {
  readonly #state: State;
  readonly #events: EventLog;
  readonly #webhooks: Webhooks;

  constructor(state: State, events: EventLog, webhooks: Webhooks) {
    this.#state = state;
    this.#events = events;
    this.#webhooks = webhooks;
  }

  running(session: SessionRecord): void {
    if (session.status === 'running') return;
    this.#change(session, 'running');
    this.#events.append(session.id, 'session.status_running');
    this.#thread(session, 'session.thread_status_running');
    this.#webhooks.emit('session.status_run_started', session.id);
  }

  /** Also said again while idle, when what is waited for has changed. */
  idle(session: SessionRecord, reason: StopReason): void {
    this.#change(session, 'idle');
    this.#events.append(session.id, 'session.usage', {
      usage: { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 0 },
      budget: null,
    });
    const stop = { stop_reason: reason, stop_details: null };
    this.#events.append(session.id, 'session.status_idle', stop);
    this.#thread(session, 'session.thread_status_idle', stop);
    this.#webhooks.emit('session.status_idled', session.id);
  }

  terminated(session: SessionRecord): void {
    this.#change(session, 'terminated');
    this.#events.append(session.id, 'session.status_terminated');
    this.#thread(session, 'session.thread_status_terminated');
    this.#webhooks.emit('session.status_terminated', session.id);
  }

  #change(session: SessionRecord, status: SessionRecord['status']): void {
    session.status = status;
    session.updated_at = this.#state.clock.iso();
    this.#state.sessions.put(session.id, session);
  }

  #thread(session: SessionRecord, type: string, fields: Record<string, unknown> = {}): void {
    if (this.#state.switches.get('thread-events') === 'off') return;
    const thread = { session_thread_id: session.threadId, agent_name: session.agent.name };
    this.#events.append(session.id, type, { ...thread, ...fields });
  }
}
