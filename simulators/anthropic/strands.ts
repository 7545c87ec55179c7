/** The strands of a session: its primary thread and its child threads, each with a turn of its own. */
import type { Place } from './event-log.ts';
import type { CallRecord, SessionRecord, ThreadRecord, TurnRecord } from './state.ts';

/** Without a child it is the primary thread. */
export interface Strand {
  session: SessionRecord;
  child: ThreadRecord | null;
}

export function primaryOf(session: SessionRecord): Strand {
  return { session, child: null };
}

export function strandsOf(session: SessionRecord): Strand[] {
  return [primaryOf(session), ...session.children.map((child) => ({ session, child }))];
}

export function strandId({ session, child }: Strand): string {
  return child?.id ?? session.threadId;
}

export function turnOf({ session, child }: Strand): TurnRecord | null {
  return (child ?? session).turn;
}

export function setTurn({ session, child }: Strand, turn: TurnRecord | null): void {
  (child ?? session).turn = turn;
}

/** Where its events belong. What a client may have to answer is shown on the primary stream, too. */
export function placeOf({ child }: Strand, crossPosted = false): Place {
  return child ? { thread: child.id, ...(crossPosted ? { crossPosted } : {}) } : {};
}

/** Its calls that have no result. */
export function openCalls(strand: Strand): CallRecord[] {
  const turn = turnOf(strand);
  return turn?.phase === 'calls' ? turn.calls.filter((call) => call.state !== 'answered') : [];
}

/** The calls of a session that have no result, of all its threads. */
export function unanswered(session: SessionRecord): CallRecord[] {
  return strandsOf(session).flatMap(openCalls);
}

/** The strand that made a call which waits for its answer. */
export function strandOfCall(session: SessionRecord, call: string): Strand | undefined {
  return strandsOf(session).find((strand) => openCalls(strand).some((open) => open.id === call));
}
