// What an error of either service means for us: one classification for both SDKs.
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import {
  AuthenticationError,
  InvalidArgumentError,
  NotFoundError,
  RateLimitError,
  SandboxError,
  TemplateError,
} from 'e2b';
import { SandboxHttpError } from '../src/clients/sandbox-http.ts';
import { scrub } from '../src/log.ts';
import { CREDENTIAL_REFUSED, FINAL, RETRY } from '../workflows/contract.ts';

export interface Verdict {
  /**
   * `retry`: may succeed later. `refused`: will succeed with another credential. `final`: never will.
   * `not found`: what was asked for does not exist.
   */
  kind: 'retry' | 'refused' | 'final' | 'not found';
  retryAfterMs?: number;
}

const NEW_CREDENTIAL_MS = 15_000;

/** Statuses that say "not now": everything else below 500 says "never". */
const RETRIED = new Set([408, 409, 425, 429]);

export function classify(error: unknown): Verdict {
  if (error instanceof APIConnectionError) return { kind: 'retry' };
  if (error instanceof APIError && error.status === 401)
    return { kind: 'refused', retryAfterMs: NEW_CREDENTIAL_MS };
  if (error instanceof APIError) return fromStatus(error.status ?? 0, retryAfter(error));
  if (error instanceof SandboxHttpError) return error.unusable ? { kind: 'retry' } : fromStatus(error.status);
  if (error instanceof RateLimitError) return { kind: 'retry' };
  if (error instanceof NotFoundError) return { kind: 'not found' };
  if (
    error instanceof AuthenticationError ||
    error instanceof InvalidArgumentError ||
    error instanceof TemplateError
  ) {
    return { kind: 'final' };
  }
  if (error instanceof SandboxError) return fromStatus(statusOf(error));
  return { kind: 'retry' };
}

/** A failure against which no retry helps. */
export function finalFailure(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FINAL, nonRetryable: true, message });
}

/** Makes an activity throw what Temporal can act on, without a secret in it. */
export function toFailure(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  const { kind: meant, retryAfterMs } = classify(error);
  // A sandbox that does not answer looks like a lost one; a lost sandbox is recognized by the control plane's answer.
  const kind = error instanceof NotFoundError ? 'retry' : meant;
  const message = scrub(describe(error));
  return ApplicationFailure.create({
    message,
    type: kind === 'retry' ? RETRY : kind === 'refused' ? CREDENTIAL_REFUSED : FINAL,
    nonRetryable: kind !== 'retry' && kind !== 'refused',
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
}

/** With the cause: `fetch failed` alone says too little. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  return cause && !error.message.includes(cause) ? `${error.message}: ${cause}` : error.message;
}

function fromStatus(status: number, retryAfterMs?: number): Verdict {
  if (status === 404 || status === 410) return { kind: 'not found' };
  if (status >= 400 && status < 500 && !RETRIED.has(status)) return { kind: 'final' };
  return retryAfterMs === undefined ? { kind: 'retry' } : { kind: 'retry', retryAfterMs };
}

function retryAfter(error: APIError): number | undefined {
  const seconds = Number(error.headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, 60_000) : undefined;
}

function statusOf(error: SandboxError): number {
  const { statusCode } = error as SandboxError & { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : 0;
}
