/** The threads of a session: the primary thread and its child threads, each with its own turn. */
import type { Place } from './event-log.ts';
import type { CallRecord, SessionRecord, State, ThreadRecord, TurnRecord } from './state.ts';

/** `child` is null for the primary thread. */
export interface SessionThread {
  session: SessionRecord;
  child: ThreadRecord | null;
}

export function primaryThread(session: SessionRecord): SessionThread {
  return { session, child: null };
}

export function threadsOf(session: SessionRecord): SessionThread[] {
  return [primaryThread(session), ...session.children.map((child) => ({ session, child }))];
}

export function threadIdOf({ session, child }: SessionThread): string {
  return child?.id ?? session.threadId;
}

export function turnOf({ session, child }: SessionThread): TurnRecord | null {
  return (child ?? session).turn;
}

export function setTurn({ session, child }: SessionThread, turn: TurnRecord | null): void {
  (child ?? session).turn = turn;
}

/** The streams of the thread's events. Cross-post events that clients may have to answer. */
export function placeOf({ child }: SessionThread, crossPosted = false): Place {
  return child ? { thread: child.id, ...(crossPosted ? { crossPosted } : {}) } : {};
}

/** The threads that an interrupt (of one thread or of all) ends. */
export function interruptible(
  session: SessionRecord,
  threadId: string | null | undefined,
  { switches }: State,
): SessionThread[] {
  const endsRuns = switches.get('run-calls-at-interrupt') === 'close';
  const named = threadsOf(session).filter((thread) => !threadId || threadIdOf(thread) === threadId);
  return named.filter(({ child }) => endsRuns || !child?.workflowRunId);
}

/** The thread's calls without a result. */
export function openCalls(thread: SessionThread): CallRecord[] {
  const turn = turnOf(thread);
  return turn?.phase === 'calls' ? turn.calls.filter((call) => call.state !== 'answered') : [];
}

/** The calls without a result of all threads of a session. */
export function openCallsOfSession(session: SessionRecord): CallRecord[] {
  return threadsOf(session).flatMap(openCalls);
}

/** The thread with this open call. */
export function threadOfCall(session: SessionRecord, call: string): SessionThread | undefined {
  return threadsOf(session).find((thread) => openCalls(thread).some((open) => open.id === call));
}
