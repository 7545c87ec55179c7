// Sends a plain signal to a workflow that probably runs. Temporal takes twice as many of these a second as of
// `signalWithStart`.
import type { WebhookReceived } from '../../workflows/messages.ts';
import type { Sessions } from '../clients/sessions.ts';
import { BoundedMap } from './bounded-map.ts';

/**
 * @param recent sessions whose workflow this process has signalled
 * @returns `webhookReceived`; it starts a workflow where none runs, also after an earlier one has ended
 */
export function signalRunningFirst(
  sessions: Pick<Sessions, 'webhookReceived' | 'webhookReceivedIfRunning'>,
  recent = new BoundedMap<true>(),
): Sessions['webhookReceived'] {
  return async (sessionId: string, webhook: WebhookReceived) => {
    const probablyRuns = recent.get(sessionId);
    if (probablyRuns && (await sessions.webhookReceivedIfRunning(sessionId, webhook))) return;
    await sessions.webhookReceived(sessionId, webhook);
    recent.set(sessionId, true);
  };
}
