// The client of the owner's hook: signed like Anthropic's own deliveries (Standard Webhooks). Of an answer only the status
// is used, so nothing that the other side sends enters a log or a history; nor does the address, which may hold a token.
import { Webhook } from 'standardwebhooks';
import type { HookMessage } from '../../workflows/messages.ts';
import type { HookConfig } from '../config.ts';

/** From the first byte sent to the head of the answer. */
const TIMEOUT_MS = 15_000;
const MOST_RETRY_AFTER_MS = 600_000;
const GONE = 410;

export class HookFailed extends Error {
  override name = 'HookFailed';
  /** The hook asks never to be called again. */
  readonly gone: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, gone = false, retryAfterMs?: number) {
    super(message);
    this.gone = gone;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Sends one message. Redirects are not followed: the signature is for this address alone.
 * @param signal ends the request
 * @returns the status of the answer, 200 to 299
 * @throws HookFailed that says what to do; the reason of `signal` if that ended it
 */
export async function postToHook(
  { url, secrets }: HookConfig,
  { id, type, timestamp, data }: HookMessage,
  signal: AbortSignal = new AbortController().signal,
  timeoutMs = TIMEOUT_MS,
): Promise<number> {
  const body = JSON.stringify({ type, timestamp, data });
  const sentAt = new Date();
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'managed-agents-router',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
    // One signature for each secret: a receiver that is given a new secret takes either.
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, sentAt, body)).join(' '),
  };
  const patience = AbortSignal.timeout(timeoutMs);
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, patience]),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (patience.aborted) throw new HookFailed(`HOOK_URL does not answer within ${timeoutMs / 1000} s`);
    throw new HookFailed(`HOOK_URL cannot be reached (${codeOf(error)})`);
  }
  // The body is not read, however long it is.
  await answer.body?.cancel().catch(() => undefined);
  if (answer.ok) return answer.status;
  throw refusal(answer);
}

function refusal({ status, headers }: Response): HookFailed {
  if (status === GONE)
    return new HookFailed('HOOK_URL answers 410: it is gone. Set another one, or remove it', true);
  const hint =
    status >= 300 && status < 400
      ? '; redirects are not followed, set the final address'
      : status === 401 || status === 403
        ? '; does the receiver have HOOK_SECRET?'
        : '';
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = seconds > 0 ? Math.min(seconds * 1000, MOST_RETRY_AFTER_MS) : undefined;
  return new HookFailed(`HOOK_URL answers ${status}${hint}`, false, retryAfterMs);
}

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : 'no connection';
}
