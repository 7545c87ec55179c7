// The logger: JSON lines on standard error, and no credential in any of them.
import { type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** What credentials of the three services look like, for those the configuration does not hold. */
const CREDENTIAL = /sk-ant-[\w-]{8,}|whsec_[\w+/=]{8,}|e2b_[0-9a-f]{16,}/g;
/** Shorter values are no credentials of a real service, and would cut up every line. */
const MIN_SECRET_LENGTH = 8;
const HIDDEN = '[redacted]';
const REDACTED_FIELDS = ['authorization', 'apiKey', 'environmentKey', 'secret', 'token', 'signingKeys'];

/**
 * @param level pino's level; `silent` writes nothing
 * @param secrets values that must never be written, wherever in a line they occur
 */
export function createLogger(level: string, secrets: readonly string[] = []): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: REDACTED_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: HIDDEN },
      hooks: { streamWrite: (line) => scrub(line, secrets) },
    },
    pino.destination(2),
  );
}

/** The text without credentials: the given ones, and whatever has the form of one. */
export function scrub(text: string, secrets: readonly string[]): string {
  let clean = text.replace(CREDENTIAL, HIDDEN);
  for (const secret of secrets) {
    if (secret.length >= MIN_SECRET_LENGTH) clean = clean.replaceAll(secret, HIDDEN);
  }
  return clean;
}
