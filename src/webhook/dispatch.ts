// Turns a verified delivery into a signal to the session's workflow. A webhook is a hint: it only says "inspect again".
import type { Sessions } from '../clients/sessions.ts';
import type { Delivery } from './delivery.ts';

/** The signals that the webhook server sends to session workflows. */
export type SessionSignals = Pick<
  Sessions,
  'webhookReceived' | 'webhookReceivedIfRunning' | 'sessionChangedIfRunning'
> & {
  /**
   * Whether a watch that follows the session's events makes the delivery needless; false where that is not known.
   * Whatever ends such a watch, a fresh listing of the events or an inspection of the session follows: a worker's death
   * (the next attempt lists), its return (the next watch lists, or the next check looks), a rest (which inspects last).
   */
  isWatched(sessionId: string): Promise<boolean>;
};

/** `watched`: nothing was signalled, because a watch sees what the delivery is about. */
export type Outcome = 'signalled' | 'watched' | 'no_workflow' | 'ignored';

/** The only event that may start a workflow. */
const STARTS = 'session.status_run_started';

/** Events for a running workflow. Anthropic's documentation and SDK name some differently; both names are accepted. */
const SIGNALS_RUNNING = new Set([
  'session.status_idled',
  'session.idled',
  'session.requires_action',
  'session.running',
]);

const CHANGES: Partial<Record<string, 'terminated' | 'archived' | 'deleted'>> = {
  'session.status_terminated': 'terminated',
  'session.terminated': 'terminated',
  'session.archived': 'archived',
  'session.deleted': 'deleted',
};

/**
 * Sends the signal that a delivery calls for. Resolves once Temporal has stored it.
 * @returns what was done: `signalled`, `watched`, `no_workflow` if the session has no workflow, `ignored` for other types of
 *   events
 * @throws the client's error if the signal could not be sent
 */
export async function dispatch(delivery: Delivery, sessions: SessionSignals): Promise<Outcome> {
  const { eventId, type, subjectId: sessionId } = delivery;
  const isAboutEvents = type === STARTS || SIGNALS_RUNNING.has(type);
  if (isAboutEvents && (await sessions.isWatched(sessionId))) return 'watched';
  if (type === STARTS) {
    await sessions.webhookReceived(sessionId, { eventId, type });
    return 'signalled';
  }
  if (SIGNALS_RUNNING.has(type)) {
    return (await sessions.webhookReceivedIfRunning(sessionId, { eventId, type }))
      ? 'signalled'
      : 'no_workflow';
  }
  const change = Object.hasOwn(CHANGES, type) ? CHANGES[type] : undefined;
  if (change)
    return (await sessions.sessionChangedIfRunning(sessionId, { eventId, change }))
      ? 'signalled'
      : 'no_workflow';
  return 'ignored';
}
