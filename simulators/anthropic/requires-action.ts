/** `requires_action`: which open calls a session names to its clients, and when. */

import { openCallsOfSession, threadsOf, turnOf } from './session-threads.ts';
import type { CallRecord, SessionRecord, State } from './state.ts';
import type { Statuses } from './statuses.ts';

/** The open calls that make a session or thread idle: all, or with `tool-rounds=running` none that a worker answers. */
export function requiredCalls(open: CallRecord[], { switches }: State): CallRecord[] {
  if (switches.get('tool-rounds') === 'idle') return open;
  return open.filter((call) => call.state === 'awaiting-approval' || call.kind !== 'agent.tool_use');
}

/** Sets the session to running while one of its threads runs, else to idle with the calls that it waits for. */
export function announceRequiredAction(session: SessionRecord, state: State, statuses: Statuses): void {
  const turns = threadsOf(session).flatMap((thread) => turnOf(thread) ?? []);
  const running = turns.some((turn) => turn.phase === 'model');
  if (!running && turns.some((turn) => turn.phase === 'budget')) return;
  const wanted = requiredCalls(openCallsOfSession(session), state);
  const announced = wanted.map((call) => `${call.id} ${call.state}`).join();
  if (running || wanted.length === 0) statuses.running(session);
  else if (announced !== session.announced || session.status !== 'idle') {
    statuses.idle(session, { type: 'requires_action', event_ids: wanted.map((call) => call.id) });
  }
  session.announced = announced;
}
