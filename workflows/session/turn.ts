// The turn of a session, according to webhooks and events. Pure, like state.ts.
import { settleTurn } from '../attention.ts';
import type { SessionChange, UnattendedTurn, WebhookReceived } from '../messages.ts';
import { recordMemoryTurnOver } from './memory.ts';
import { INSPECT_SOON_MS, isCovered, remember, type SessionState } from './state.ts';

/** Deliveries come back within minutes; this many ids cover hours of a busy session. */
const EVENT_IDS_KEPT = 256;

/** The session waits for results, or its turn is over. */
const IDLED: ReadonlySet<string> = new Set([
  'session.status_idled',
  'session.idled',
  'session.requires_action',
]);

export function recordWebhook(state: SessionState, webhook: WebhookReceived, now: number): void {
  if (!remember(state.eventIds, webhook.eventId, EVENT_IDS_KEPT)) return;
  if (isCovered(state)) {
    // Its events are watched and tell more, unless the watch is just being recalled, or none is there.
    if (webhook.type === 'session.status_run_started') {
      state.woken = true;
      delete state.unwatched;
    }
    if (state.unwatched) state.unwatched.checkAt = now;
    return;
  }
  // A turn that is not watched goes on: its orphaned calls must not wait.
  if (state.inspectionDue) state.inspectionDue.at = Math.min(state.inspectionDue.at, now + INSPECT_SOON_MS);
  state.claimDue = true;
  // The webhook may be about calls that are not watched.
  if (state.inspectionDue && (state.calls.length > 0 || IDLED.has(webhook.type)))
    state.inspectionDue.at = now;
  if (webhook.type !== 'session.status_run_started') return;
  state.expecting = true;
  state.lastUsed = now;
  state.turn.since = now;
  state.sandbox.failure = null;
}

/** The session is inspected now to find out what its turn waits for. */
export function recordUnattendedTurn(state: SessionState, { eventId }: UnattendedTurn, now: number): void {
  if (!remember(state.eventIds, eventId, EVENT_IDS_KEPT)) return;
  if (isCovered(state)) {
    if (state.unwatched) state.unwatched.checkAt = now;
    return;
  }
  state.claimDue = true;
  state.inspectionDue = { at: now, tries: state.inspectionDue?.tries ?? 0 };
}

/** A change says how things are: a repetition changes nothing, and the next one corrects an outdated one. */
export function recordChange(state: SessionState, event: SessionChange, now: number): void {
  switch (event.change) {
    case 'running':
      if (state.turn.state === 'idle') {
        state.turns += 1;
        if (state.memory) state.memory.due = 'sync';
      }
      state.turn = { state: 'running', reason: 'model', since: now };
      state.lastUsed = now;
      return;
    case 'idle':
    case 'waiting':
      state.turn = { state: event.change, reason: event.reason, since: now };
      if (event.change === 'idle') {
        state.turnEnded = event.eventId;
        if (event.settled) state.settledAt = event.eventId;
        recordMemoryTurnOver(state);
        settleTurn(state);
      }
      return;
    default:
      state.end = event.change;
  }
}
