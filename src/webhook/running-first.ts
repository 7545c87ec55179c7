// Signals a workflow that probably runs by a plain signal: Temporal does twice as many of them a second as of signals that
// start the workflow where there is none.
import type { WebhookReceived } from '../../workflows/messages.ts';
import type { Sessions } from '../clients/sessions.ts';
import { Recent } from './recent.ts';

/**
 * @param recent sessions whose workflow this process has signalled
 * @returns `webhookReceived`, which starts a workflow where none runs: also where one ran before
 */
export function signalRunningFirst(
  sessions: Pick<Sessions, 'webhookReceived' | 'webhookReceivedIfRunning'>,
  recent = new Recent<true>(),
): Sessions['webhookReceived'] {
  return async (sessionId: string, webhook: WebhookReceived) => {
    const probablyRuns = recent.get(sessionId);
    if (probablyRuns && (await sessions.webhookReceivedIfRunning(sessionId, webhook))) return;
    await sessions.webhookReceived(sessionId, webhook);
    recent.set(sessionId, true);
  };
}
