/** The life of a session around its turns: created, changed, archived, terminated, deleted. */
import { ApiError, badRequest, notFound } from './errors.ts';
import type { EventLog } from './event-log.ts';
import type { EventParams } from './event-params.ts';
import { newId } from './ids.ts';
import type { Inbox } from './inbox.ts';
import type { SessionRecord, State } from './state.ts';
import type { Statuses } from './statuses.ts';
import type { Turns } from './turns.ts';
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

export type NewSession = Pick<SessionRecord, 'environment_id' | 'agent' | 'title' | 'metadata' | 'resources'>;

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

  /** The initial events set the session running at once. */
  create(params: NewSession, initialEvents: EventParams[]): SessionRecord {
    const { state, queue, inbox } = this.#parts;
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
      waiting: [],
    };
    state.sessions.put(session.id, session);
    if (state.switches.get('work-item-at') === 'creation') queue.ensure(session.environment_id, session.id);
    if (initialEvents.length > 0) inbox.receive(session, initialEvents);
    return session;
  }

  /** Throws 400 for a session that has ended. */
  update(
    session: SessionRecord,
    changes: Partial<Pick<SessionRecord, 'title' | 'metadata' | 'agent'>>,
  ): void {
    const { state, events, webhooks } = this.#parts;
    if (session.archived_at !== null || session.status === 'terminated') {
      throw badRequest(`Session ${session.id} has ended and cannot be changed.`);
    }
    if (changes.agent && session.status === 'running') {
      throw badRequest(`Session ${session.id} is running; its agent can be changed only while it is idle.`);
    }
    Object.assign(session, changes, { updated_at: state.clock.iso() });
    state.sessions.put(session.id, session);
    events.append(session.id, 'session.updated', { title: session.title, metadata: session.metadata });
    webhooks.emit('session.updated', session.id);
  }

  /** Throws 400 for a session that runs. An archived one stays as it is. */
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

  /** What an error that cannot be recovered from does to a session. */
  terminate(session: SessionRecord, message: string): void {
    const { events, statuses, turns } = this.#parts;
    if (session.status === 'terminated') return;
    turns.drop(session);
    session.waiting = [];
    const error = { type: 'unknown_error', message, retry_status: { type: 'terminal' } };
    events.append(session.id, 'session.error', { error });
    statuses.terminated(session);
  }

  /** Throws 400 for a session that runs. Afterwards there is nothing left to fetch. */
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

  #mustNotRun(session: SessionRecord, what: string): void {
    if (session.status !== 'running') return;
    throw new ApiError(400, `Session ${session.id} is running and cannot be ${what}; interrupt it first.`);
  }
}
