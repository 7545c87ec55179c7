// A webhook delivery, from raw bytes to a verified event: signature and age first, only then its content.
import Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';

/** A verified event; everything but its type and ids is left behind. */
export interface Delivery {
  /** `whe_…`; the same on every attempt. */
  eventId: string;
  /** `session.status_run_started`, … */
  type: string;
  /** Id of what the event is about: of a session, where the type begins with `session.`. */
  subjectId: string;
}

/** A request that is refused: HTTP status, a code for programs, a sentence for people. */
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

/** Checking a signature needs no credential; the SDK's constructor wants one all the same. */
const { webhooks } = new Anthropic({ authToken: 'unused', apiKey: null }).beta;

/**
 * @param body the raw body
 * @param headers as received, names in lower case
 * @param keys signing keys, at least one; any of them may have signed
 * @throws Refusal 401 for a missing, wrong or old signature, 400 for a signed body that is no event
 */
export function openDelivery(
  body: Buffer,
  headers: Record<string, string | string[] | undefined>,
  keys: readonly string[],
): Delivery {
  const parsed = event.safeParse(verify(body.toString('utf8'), signatureHeaders(headers), keys));
  if (!parsed.success) throw new Refusal(400, 'invalid_event', 'The body is no webhook event');
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
      // Only a body whose signature held is ever parsed.
      if (error instanceof SyntaxError) throw new Refusal(400, 'invalid_json', 'The body is not JSON');
    }
  }
  throw new Refusal(401, 'bad_signature', 'The signature is missing, wrong, or older than five minutes');
}

function signatureHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  return Object.fromEntries(names.map((name) => [name, String(headers[name] ?? '')]));
}
