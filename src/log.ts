// The logger: writes JSON lines to standard error and removes credentials from each of them.
import { TraceFlags, trace } from '@opentelemetry/api';
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** Credentials of Anthropic and E2B by their prefixes, to catch those that the configuration does not know. */
const CREDENTIAL = /sk-ant-[\w-]{8,}|whsec_[\w+/=-]{6,}|e2b_[0-9a-f]{16,}/g;
/** Shorter values are not credentials of a real service, and hiding them would garble every line. */
const MIN_SECRET_LENGTH = 8;
const HIDDEN = '[redacted]';
const REDACTED_FIELDS = ['authorization', 'apiKey', 'environmentKey', 'secret', 'token', 'signingKeys'];

/**
 * @param level lowest level that is written; `silent` writes nothing
 * @param secrets values that are replaced wherever they occur in a line
 */
export function createLogger(
  level: string,
  secrets: readonly string[] = [],
  destination: DestinationStream = pino.destination(2),
): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      mixin: traceOfLine,
      redact: { paths: REDACTED_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: HIDDEN },
      hooks: { streamWrite: (line) => scrub(line, secrets) },
    },
    destination,
  );
}

/** The trace that a line belongs to, where spans are sent. */
function traceOfLine(): { traceId?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  return span && span.traceFlags & TraceFlags.SAMPLED ? { traceId: span.traceId } : {};
}

/** Replaces the given secrets, and everything that looks like a credential, by `[redacted]`. */
export function scrub(text: string, secrets: readonly string[] = []): string {
  let clean = text.replace(CREDENTIAL, HIDDEN);
  for (const secret of secrets) {
    if (secret.length >= MIN_SECRET_LENGTH) clean = clean.replaceAll(secret, HIDDEN);
  }
  return clean;
}
