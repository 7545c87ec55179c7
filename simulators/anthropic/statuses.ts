/** Changes the status of sessions and threads, with the events and webhooks of each change. */
import type { EventLog } from './event-log.ts';
import type { SessionRecord, State, ThreadRecord } from './state.ts';
import { usageView } from './views.ts';
import type { Webhooks } from './webhooks.ts';

export type StopReason =
  | { type: 'end_turn' | 'retries_exhausted' | 'budget_reached' | 'refusal' }
  | { type: 'requires_action'; event_ids: string[] };

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
    this.#primary(session, 'session.thread_status_running');
    this.#webhooks.emit('session.status_run_started', session.id);
    this.#undocumented('session.running', session);
  }

  /** Also announced while already idle, when the session waits for other calls. */
  idle(session: SessionRecord, reason: StopReason, details: unknown = null): void {
    this.#change(session, 'idle');
    this.#events.append(session.id, 'session.usage', usageView(session));
    const stop = { stop_reason: reason, stop_details: details };
    this.#events.append(session.id, 'session.status_idle', stop);
    this.#primary(session, 'session.thread_status_idle', stop);
    this.#webhooks.emit('session.status_idled', session.id);
    if (reason.type === 'budget_reached') this.#webhooks.emit('session.budget_reached', session.id);
    this.#undocumented(
      reason.type === 'requires_action' ? 'session.requires_action' : 'session.idled',
      session,
    );
  }

  /** After a transient error, before a retry. */
  rescheduled(session: SessionRecord): void {
    this.#change(session, 'rescheduling');
    this.#events.append(session.id, 'session.status_rescheduled');
    this.#primary(session, 'session.thread_status_rescheduled');
    this.#webhooks.emit('session.status_rescheduled', session.id);
  }

  terminated(session: SessionRecord): void {
    for (const child of session.children) this.threadTerminated(session, child);
    this.#change(session, 'terminated');
    this.#events.append(session.id, 'session.status_terminated');
    this.#primary(session, 'session.thread_status_terminated');
    this.#webhooks.emit('session.status_terminated', session.id);
  }

  threadCreated(session: SessionRecord, child: ThreadRecord): void {
    const run = { workflow_run_id: child.workflowRunId ?? null };
    const fields = { session_thread_id: child.id, agent_name: child.name, ...run };
    this.#events.append(session.id, 'session.thread_created', fields);
    this.#webhooks.emit('session.thread_created', session.id, { session_thread_id: child.id });
  }

  threadRunning(session: SessionRecord, child: ThreadRecord): void {
    if (child.status === 'running') return;
    this.#thread(session, child, 'running', 'session.thread_status_running');
  }

  threadRescheduled(session: SessionRecord, child: ThreadRecord): void {
    this.#thread(session, child, 'rescheduling', 'session.thread_status_rescheduled');
  }

  threadIdle(session: SessionRecord, child: ThreadRecord, reason: StopReason, details: unknown = null): void {
    const stop = { stop_reason: reason, stop_details: details };
    this.#thread(session, child, 'idle', 'session.thread_status_idle', stop);
    this.#webhooks.emit('session.thread_idled', session.id, { session_thread_id: child.id });
  }

  threadTerminated(session: SessionRecord, child: ThreadRecord): void {
    if (child.status === 'terminated') return;
    child.turn = null;
    this.#thread(session, child, 'terminated', 'session.thread_status_terminated');
    this.#webhooks.emit('session.thread_terminated', session.id, { session_thread_id: child.id });
  }

  #change(session: SessionRecord, status: SessionRecord['status']): void {
    session.status = status;
    session.updated_at = this.#state.clock.iso();
    this.#state.sessions.put(session.id, session);
  }

  /** The event appears on the child's own stream and on the primary one. */
  #thread(
    session: SessionRecord,
    child: ThreadRecord,
    status: ThreadRecord['status'],
    type: string,
    fields: Record<string, unknown> = {},
  ): void {
    child.status = status;
    child.updated_at = this.#state.clock.iso();
    const thread = { session_thread_id: child.id, agent_name: child.name };
    this.#events.append(session.id, type, { ...thread, ...fields }, { thread: child.id, crossPosted: true });
    this.#state.sessions.put(session.id, session);
  }

  #primary(session: SessionRecord, type: string, fields: Record<string, unknown> = {}): void {
    if (this.#state.switches.get('thread-events') === 'off') return;
    const thread = { session_thread_id: session.threadId, agent_name: session.agent.name };
    this.#events.append(session.id, type, { ...thread, ...fields });
    if (type === 'session.thread_status_idle') {
      this.#webhooks.emit('session.thread_idled', session.id, { session_thread_id: session.threadId });
    }
  }

  /** Webhook types that are in the SDK but not in the documentation. */
  #undocumented(type: string, session: SessionRecord): void {
    if (this.#state.switches.get('undocumented-webhooks') === 'on') this.#webhooks.emit(type, session.id);
  }
}
