// Turns a verified delivery into a signal to the session's workflow. A webhook is a hint: it only says "inspect again".
import type { Sessions } from '../clients/sessions.ts';
import type { Delivery } from './delivery.ts';

/** The signals that the webhook server sends to session workflows. */
export type SessionSignals = Pick<
  Sessions,
  'webhookReceived' | 'webhookReceivedIfRunning' | 'sessionChangedIfRunning'
>;

export type Outcome = 'woken' | 'nudged' | 'notified' | 'no_workflow' | 'ignored';

/** The only event that starts a workflow. */
const STARTS = 'session.status_run_started';

/** Anthropic's documentation and SDK name some events differently; both names are accepted. */
const NUDGES = new Set([
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
 * @returns what was done: `no_workflow` if the session has no workflow, `ignored` for other types of events
 * @throws the client's error if the signal could not be sent
 */
export async function dispatch(delivery: Delivery, sessions: SessionSignals): Promise<Outcome> {
  const { eventId, type, subjectId: sessionId } = delivery;
  if (type === STARTS) {
    await sessions.webhookReceived(sessionId, { eventId, type });
    return 'woken';
  }
  if (NUDGES.has(type)) {
    return (await sessions.webhookReceivedIfRunning(sessionId, { eventId, type })) ? 'nudged' : 'no_workflow';
  }
  const change = Object.hasOwn(CHANGES, type) ? CHANGES[type] : undefined;
  if (change)
    return (await sessions.sessionChangedIfRunning(sessionId, { eventId, change }))
      ? 'notified'
      : 'no_workflow';
  return 'ignored';
}
