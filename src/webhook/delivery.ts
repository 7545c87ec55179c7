// Verifies a webhook delivery: first the signature and age of the raw bytes, then their content.
import Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';

/** A verified event: its type and ids only. */
export interface Delivery {
  /** `whe_…`; the same for every attempt to deliver the event. */
  eventId: string;
  /** `session.status_run_started`, … */
  type: string;
  /** Id of the object that the event is about: a session, if the type begins with `session.`. */
  subjectId: string;
}

/** Refuses a request with an HTTP status, a code for programs and a message for people. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const id = z.string().regex(/^[\w-]{1,128}$/);
const event = z.object({
  type: z.literal('event'),
  id,
  data: z.object({ type: z.string().regex(/^[\w.-]{1,128}$/), id }),
});

/** The token is never used: checking a signature needs no credential, but the SDK's constructor demands one. */
const { webhooks } = new Anthropic({ authToken: 'unused', apiKey: null }).beta;

/**
 * Verifies a delivery and reads its event.
 * @param body the raw body
 * @param headers the request's headers, with names in lower case
 * @param keys at least one signing key; the delivery must be signed with one of them
 * @throws Refusal 401 for a missing, wrong or old signature, 400 for a signed body that is not an event
 */
export function openDelivery(
  body: Buffer,
  headers: Record<string, string | string[] | undefined>,
  keys: readonly string[],
): Delivery {
  const parsed = event.safeParse(verify(body.toString('utf8'), signatureHeaders(headers), keys));
  if (!parsed.success) throw new Refusal(400, 'invalid_event', 'The body is not a webhook event');
  const { id: eventId, data } = parsed.data;
  if (headers['webhook-id'] !== eventId) {
    throw new Refusal(400, 'id_mismatch', 'The webhook-id header is not the id of the event');
  }
  return { eventId, type: data.type, subjectId: data.id };
}

function verify(body: string, headers: Record<string, string>, keys: readonly string[]): unknown {
  for (const key of keys) {
    try {
      return webhooks.unwrap(body, { headers, key });
    } catch (error) {
      // A SyntaxError means that this key's signature is right: the SDK verifies before it parses.
      if (error instanceof SyntaxError) throw new Refusal(400, 'invalid_json', 'The body is not JSON');
    }
  }
  throw new Refusal(401, 'bad_signature', 'The signature is missing, wrong, or older than five minutes');
}

function signatureHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  return Object.fromEntries(names.map((name) => [name, String(headers[name] ?? '')]));
}
