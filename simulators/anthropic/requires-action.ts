/** What a session waits for: which calls it names to its clients, and when it says so. */
import type { CallRecord, SessionRecord, State } from './state.ts';
import type { Statuses } from './statuses.ts';
import { strandsOf, turnOf, unanswered } from './strands.ts';

/** Of these open calls, the ones for which a session or a thread goes idle. */
export function wantedCalls(open: CallRecord[], { switches }: State): CallRecord[] {
  if (switches.get('tool-rounds') === 'idle') return open;
  return open.filter((call) => call.state === 'held' || call.kind !== 'agent.tool_use');
}

/** The session runs while one of its threads does; else it says which calls it waits for. */
export function announce(session: SessionRecord, state: State, statuses: Statuses): void {
  const turns = strandsOf(session).flatMap((strand) => turnOf(strand) ?? []);
  const running = turns.some((turn) => turn.phase === 'model');
  if (!running && turns.some((turn) => turn.phase === 'budget')) return;
  const wanted = wantedCalls(unanswered(session), state);
  const announced = wanted.map((call) => `${call.id} ${call.state}`).join();
  if (running || wanted.length === 0) statuses.running(session);
  else if (announced !== session.announced || session.status !== 'idle') {
    statuses.idle(session, { type: 'requires_action', event_ids: wanted.map((call) => call.id) });
  }
  session.announced = announced;
}
