/** The events of the sessions: appended, marked as processed, listed, and followed by streams. */
import { newId } from './ids.ts';
import type { EventRecord, SessionEvent, State } from './state.ts';

/** Told of every event as it is shown at that moment, once it is on disk. */
export type Follower = (event: SessionEvent) => void;

/** Where an event belongs: to the primary thread, or to a child and perhaps to the primary stream, too. */
export interface Place {
  thread?: string;
  crossPosted?: boolean;
}

export class EventLog {
  readonly #state: State;
  /** Records by session, in the order of `seq`. */
  readonly #bySession = new Map<string, EventRecord[]>();
  /** By the id of the session, or of a child thread. */
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

  /** Appends an event that is processed as it is written. */
  append(
    session: string,
    type: string,
    fields: Record<string, unknown> = {},
    place: Place = {},
  ): SessionEvent {
    return this.#add(session, { type, ...fields }, this.#state.clock.iso(), place);
  }

  /** Appends an event of the user's; `processed` says whether it takes effect at once. */
  receive(
    session: string,
    event: { type: string } & Record<string, unknown>,
    processed: boolean,
    place: Place = {},
  ): SessionEvent {
    return this.#add(session, event, processed ? this.#state.clock.iso() : null, place);
  }

  /** Marks a received event as processed; it is shown again, at the end. */
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

  /** The records of a session's primary stream in order, or those of one of its child threads. */
  list(session: string, thread?: string): readonly EventRecord[] {
    const records = this.#bySession.get(session) ?? [];
    if (thread === undefined) return records.filter((record) => !record.thread || record.crossPosted);
    return records.filter((record) => record.thread === thread).map(asOwn);
  }

  get(id: string): SessionEvent | undefined {
    return this.#state.events.get(id)?.event;
  }

  /** Follows the events of a session, or of a child thread, from now on. Returns the way to stop. */
  follow(id: string, follower: Follower): () => void {
    const followers = this.#followers.get(id) ?? new Set();
    followers.add(follower);
    this.#followers.set(id, followers);
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(id);
    };
  }

  /** Forgets a session's events; those who follow still get the last one. */
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
    if (!record.thread || record.crossPosted) this.#tell(record.session, record);
    if (record.thread) this.#tell(record.thread, asOwn(record));
  }

  #tell(id: string, record: EventRecord): void {
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

/** As the thread itself shows it: calls and results name a thread only on the primary stream. */
function asOwn(record: EventRecord): EventRecord {
  if (record.event.type.startsWith('session.thread_')) return record;
  const { session_thread_id, ...event } = record.event;
  return { ...record, event: event as SessionEvent };
}
