/** The event log of the sessions: appends, marks as processed, lists, and publishes events to streams. */
import { newId } from './ids.ts';
import type { EventRecord, SessionEvent, State } from './state.ts';

/** Receives each event once it is on disk, as it was when it was published. */
export type Follower = (event: SessionEvent) => void;

/** The streams that show an event: that of the primary thread (default), of a child thread, or both (cross-posted). */
export interface Place {
  thread?: string;
  crossPosted?: boolean;
}

export class EventLog {
  readonly #state: State;
  /** Records by session, in the order of `seq`. */
  readonly #bySession = new Map<string, EventRecord[]>();
  /** Followers by the id of the session or child thread. */
  readonly #followers = new Map<string, Set<Follower>>();
  #lastSeq = 0;

  constructor(state: State) {
    this.#state = state;
    for (const record of state.events.values()) {
      this.#of(record.session).push(record);
      this.#lastSeq = Math.max(this.#lastSeq, record.seq);
    }
    for (const records of this.#bySession.values()) records.sort((a, b) => a.seq - b.seq);
  }

  /** Appends an event that counts as processed at once. */
  append(
    session: string,
    type: string,
    fields: Record<string, unknown> = {},
    place: Place = {},
  ): SessionEvent {
    return this.#add(session, { type, ...fields }, this.#state.clock.iso(), place);
  }

  /** Appends an event from a client; `processed`: whether it takes effect at once. */
  receive(
    session: string,
    event: { type: string } & Record<string, unknown>,
    processed: boolean,
    place: Place = {},
  ): SessionEvent {
    return this.#add(session, event, processed ? this.#state.clock.iso() : null, place);
  }

  /** Marks a received event as processed. It moves to the end of the log and is published again. */
  process(id: string): SessionEvent | undefined {
    const record = this.#state.events.get(id);
    if (!record) return undefined;
    const records = this.#of(record.session);
    records.splice(records.indexOf(record), 1);
    record.seq = this.#next();
    record.event.processed_at = this.#state.clock.iso();
    records.push(record);
    this.#state.events.put(id, record);
    this.#publish(record);
    return record.event;
  }

  /** The records of a session's primary stream, or of one of its child threads, in order. */
  list(session: string, thread?: string): readonly EventRecord[] {
    const records = this.#bySession.get(session) ?? [];
    if (thread === undefined) return records.filter((record) => !record.thread || record.crossPosted);
    return records.filter((record) => record.thread === thread).map(inOwnThread);
  }

  get(id: string): SessionEvent | undefined {
    return this.#state.events.get(id)?.event;
  }

  /** Subscribes to the events of a session or child thread from now on. Returns a function that unsubscribes. */
  follow(id: string, follower: Follower): () => void {
    const followers = this.#followers.get(id) ?? new Set();
    followers.add(follower);
    this.#followers.set(id, followers);
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(id);
    };
  }

  /** Deletes a session's events. Followers still receive the last one, `session.deleted`. */
  drop(session: string): void {
    for (const record of this.#of(session)) this.#state.events.delete(record.event.id);
    this.#bySession.delete(session);
  }

  #add(
    session: string,
    event: { type: string } & Record<string, unknown>,
    processedAt: string | null,
    place: Place,
  ): SessionEvent {
    const stored: SessionEvent = { id: newId('sevt'), ...event, processed_at: processedAt };
    const record: EventRecord = { session, seq: this.#next(), ...place, event: stored };
    this.#of(session).push(record);
    this.#state.events.put(stored.id, record);
    this.#publish(record);
    return stored;
  }

  #publish(record: EventRecord): void {
    if (!record.thread || record.crossPosted) this.#notify(record.session, record);
    if (record.thread) this.#notify(record.thread, inOwnThread(record));
  }

  #notify(id: string, record: EventRecord): void {
    const followers = this.#followers.get(id);
    if (!followers) return;
    const shown = structuredClone(record.event);
    void this.#state.store.save().then(() => {
      for (const follower of followers) follower(shown);
    });
  }

  #of(session: string): EventRecord[] {
    const known = this.#bySession.get(session);
    if (known) return known;
    const records: EventRecord[] = [];
    this.#bySession.set(session, records);
    return records;
  }

  #next(): number {
    this.#lastSeq += 1;
    return this.#lastSeq;
  }
}

/** The event as the thread's own stream shows it: only the primary stream names the thread of a call or result. */
function inOwnThread(record: EventRecord): EventRecord {
  if (record.event.type.startsWith('session.thread_')) return record;
  const { session_thread_id, ...event } = record.event;
  return { ...record, event: event as SessionEvent };
}
