// Sends signed webhooks to a world's webhook server, like the service.
import type { World } from '../harness/world.ts';
import { sign } from '../simulators/anthropic/webhooks.ts';

/** Resolves once the delivery is acknowledged. @throws Error if it is refused */
export async function deliver(world: World, sessionId: string, deliveryId: string): Promise<void> {
  const data = {
    type: 'session.status_run_started',
    id: sessionId,
    organization_id: 'org_1',
    workspace_id: 'wrkspc_1',
  };
  const body = JSON.stringify({
    type: 'event',
    id: deliveryId,
    created_at: new Date().toISOString(),
    data,
  });
  const timestamp = String(Math.floor(Date.now() / 1000));
  const answer = await fetch(`${world.webhookUrl}/webhook`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': deliveryId,
      'webhook-timestamp': timestamp,
      'webhook-signature': sign(world.simulators.anthropic.webhookSigningKey, deliveryId, timestamp, body),
    },
    body,
  });
  if (!answer.ok) throw new Error(`a delivery was answered ${answer.status}: ${await answer.text()}`);
}
