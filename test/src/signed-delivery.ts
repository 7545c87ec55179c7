// Signs webhook deliveries like the service, for the tests of the webhook server.
import { createHmac, randomBytes } from 'node:crypto';

export interface SignedRequest {
  headers: Record<string, string>;
  payload: Buffer;
}

export function newSigningKey(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

export function eventBody(type: string, eventId: string, subjectId = 'sesn_1'): string {
  const data = { type, id: subjectId, organization_id: 'org_1', workspace_id: 'wrkspc_1' };
  return JSON.stringify({ type: 'event', id: eventId, created_at: '2026-11-24T12:00:00Z', data });
}

/**
 * @param options.at time stamp of the delivery in seconds since 1970; default: now
 */
export function signed(
  key: string,
  body: string | Buffer,
  options: { id?: string; at?: number } = {},
): SignedRequest {
  const payload = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const { id = 'whe_1', at = Math.floor(Date.now() / 1000) } = options;
  const secret = Buffer.from(key.slice('whsec_'.length), 'base64');
  const mac = createHmac('sha256', secret).update(`${id}.${at}.`).update(payload).digest('base64');
  return {
    payload,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(at),
      'webhook-signature': `v1,${mac}`,
    },
  };
}
