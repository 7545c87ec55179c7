// The span of a delivery, from its verification to the answer. A delivery that is sent again has another span.
import { randomUUID } from 'node:crypto';
import { SpanKind } from '@opentelemetry/api';
import type { SpanSpec } from '../traces/spans.ts';
import type { Delivery } from './delivery.ts';

/** @returns undefined where the delivery is not about a session */
export function deliverySpan({ eventId, type, subjectId }: Delivery): SpanSpec | undefined {
  if (!type.startsWith('session.')) return undefined;
  return {
    name: 'managed_agents_router.delivery',
    of: { sessionId: subjectId },
    key: `delivery ${randomUUID()}`,
    kind: SpanKind.SERVER,
    attributes: { 'anthropic.webhook.event.id': eventId, 'anthropic.webhook.event.type': type },
  };
}
