/** The life cycle of a session apart from its turns: create, update, archive, terminate, delete. */
import { isDeepStrictEqual } from 'node:util';
import { ApiError, badRequest, notFound } from './errors.ts';
import type { EventLog } from './event-log.ts';
import type { EventParams } from './event-params.ts';
import { newId } from './ids.ts';
import type { Inbox } from './inbox.ts';
import type { SessionRecord, State } from './state.ts';
import type { Statuses } from './statuses.ts';
import type { Turns } from './turns.ts';
import { sessionView } from './views.ts';
import type { Webhooks } from './webhooks.ts';
import type { WorkQueue } from './work-queue.ts';

interface Parts {
  state: State;
  events: EventLog;
  queue: WorkQueue;
  webhooks: Webhooks;
  statuses: Statuses;
  turns: Turns;
  inbox: Inbox;
}

export type NewSession = Pick<
  SessionRecord,
  'environment_id' | 'agent' | 'title' | 'metadata' | 'resources'
> & {
  /** In US cents; null: no budget. */
  budgetCents: number | null;
};

export interface SessionChanges {
  title?: string | null;
  metadata?: Record<string, string>;
  agent?: SessionRecord['agent'];
  /** In US cents; null removes the budget. */
  budgetCents?: number | null;
}

export class Sessions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Throws 404. */
  get(id: string): SessionRecord {
    const session = this.#parts.state.sessions.get(id);
    if (!session) throw notFound('Session', id);
    return session;
  }

  /** Initial events start the first turn at once. */
  create({ budgetCents, ...params }: NewSession, initialEvents: EventParams[]): SessionRecord {
    const { state, queue, inbox, webhooks } = this.#parts;
    const now = state.clock.iso();
    const session: SessionRecord = {
      ...params,
      id: newId('sesn'),
      threadId: newId('sthr'),
      vault_ids: [],
      status: 'idle',
      created_at: now,
      updated_at: now,
      archived_at: null,
      turn: null,
      children: [],
      announced: '',
      spending: {
        budgetCents,
        hadBudget: budgetCents !== null,
        cents: 0,
        inputTokens: 0,
        outputTokens: 0,
      },
      waiting: [],
    };
    state.sessions.put(session.id, session);
    webhooks.emit('session.created', session.id);
    if (state.switches.get('undocumented-webhooks') === 'on') webhooks.emit('session.pending', session.id);
    if (state.switches.get('work-item-at') === 'creation') queue.ensure(session.environment_id, session.id);
    if (initialEvents.length > 0) inbox.receive(session, initialEvents);
    return session;
  }

  /** Throws 400 for a session that has ended, and for a change that its state does not allow. */
  update(session: SessionRecord, changes: SessionChanges): void {
    const { state, events, webhooks, turns } = this.#parts;
    if (session.archived_at !== null || session.status === 'terminated') {
      throw badRequest(`Session ${session.id} has ended and cannot be changed.`);
    }
    if (changes.agent && session.status === 'running') {
      throw badRequest(`Session ${session.id} is running; its agent can be changed only while it is idle.`);
    }
    const { budgetCents, ...fields } = changes;
    if (budgetCents !== undefined) this.#checkBudget(session, budgetCents);
    const changed = Object.keys(fields).filter(
      (key) => !isDeepStrictEqual(session[key as keyof typeof fields], fields[key as keyof typeof fields]),
    );
    if (changed.length === 0 && budgetCents === undefined) return;
    Object.assign(session, fields, { updated_at: state.clock.iso() });
    if (budgetCents !== undefined) session.spending.budgetCents = budgetCents;
    state.sessions.put(session.id, session);
    const shown = sessionView(session, state);
    if (budgetCents !== undefined) changed.push('budget');
    events.append(session.id, 'session.updated', Object.fromEntries(changed.map((key) => [key, shown[key]])));
    webhooks.emit('session.updated', session.id);
    turns.budgetChanged(session);
  }

  /** Throws 400 for a running session. Does nothing to an archived one. */
  archive(session: SessionRecord): void {
    const { state, statuses, turns, webhooks } = this.#parts;
    if (session.archived_at !== null) return;
    this.#mustNotRun(session, 'archived');
    turns.drop(session);
    session.waiting = [];
    session.archived_at = state.clock.iso();
    session.updated_at = session.archived_at;
    const ends = session.status !== 'terminated' && state.switches.get('archived-status') === 'terminated';
    if (ends) statuses.terminated(session);
    state.sessions.put(session.id, session);
    webhooks.emit('session.archived', session.id);
  }

  /** Ends a session like an error from which it cannot recover. */
  terminate(session: SessionRecord, message: string): void {
    this.#parts.turns.terminate(session, { type: 'unknown_error', message });
  }

  /** Deletes the session with its events. Throws 400 for a running session. */
  delete(session: SessionRecord): void {
    const { state, events, queue, turns, webhooks } = this.#parts;
    this.#mustNotRun(session, 'deleted');
    turns.drop(session);
    const item = queue.openItem(session.id);
    if (item) queue.stop(item, true);
    events.append(session.id, 'session.deleted');
    events.drop(session.id);
    state.sessions.delete(session.id);
    webhooks.emit('session.deleted', session.id);
  }

  /** Throws 400 for a budget on a session created without one, and for a budget that is used up already. */
  #checkBudget({ spending }: SessionRecord, cents: number | null): void {
    const refused = (reason: string, message: string) => new ApiError(400, `budget: ${message}`, { reason });
    if (spending.budgetCents === null && cents !== null) {
      throw refused('budget_create_only', 'a session gets its budget when it is created');
    }
    if (cents !== null && cents <= spending.cents) {
      throw refused('budget_not_raised', `the session has used ${spending.cents} cents already`);
    }
  }

  #mustNotRun(session: SessionRecord, what: string): void {
    if (session.status !== 'running' && session.status !== 'rescheduling') return;
    throw new ApiError(400, `Session ${session.id} is running and cannot be ${what}; interrupt it first.`);
  }
}
