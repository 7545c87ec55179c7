// Sends signed webhooks to a world's webhook server, like the service.
import type { World } from '../harness/world.ts';
import { sign } from '../simulators/anthropic/webhooks.ts';

export interface SignedDelivery {
  headers: Record<string, string>;
  body: string;
}

/** Signed now, so it is valid for five minutes. */
export function signedDelivery(world: World, sessionId: string, deliveryId: string): SignedDelivery {
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
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': deliveryId,
      'webhook-timestamp': timestamp,
      'webhook-signature': sign(world.simulators.anthropic.webhookSigningKey, deliveryId, timestamp, body),
    },
    body,
  };
}

/** Resolves once the delivery is acknowledged. @throws Error if it is refused */
export async function deliver(world: World, sessionId: string, deliveryId: string): Promise<void> {
  const delivery = signedDelivery(world, sessionId, deliveryId);
  const answer = await fetch(`${world.webhookUrl}/webhook`, { method: 'POST', ...delivery });
  if (!answer.ok) throw new Error(`a delivery was answered ${answer.status}: ${await answer.text()}`);
}
