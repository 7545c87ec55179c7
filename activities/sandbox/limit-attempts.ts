// Gives up a sandbox that fails again and again: the model may have broken it.
import { Context } from '@temporalio/activity';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Deps } from '../deps.ts';
import { finalFailure } from '../errors.ts';

/** Attempts of one activity. No answer at all may be E2B's fault and counts once; an unusable answer counts more. */
const MAX_TRIES = 40;
const UNUSABLE_COUNTS = 8;

/**
 * Does the work of an activity. Where it fails because of the sandbox, Temporal retries it a limited number
 * of times, counted in the heartbeats of the failed attempts. Failures of the two services do not count.
 */
export async function limitAttempts<Result>(
  { log }: Pick<Deps, 'log'>,
  sandboxId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SandboxHttpError)) throw error;
    const { info } = Context.current();
    const { sandboxFailures } = (info.heartbeatDetails ?? {}) as { sandboxFailures?: unknown };
    const before = typeof sandboxFailures === 'number' ? sandboxFailures : 0;
    const failures = before + (error.unusable ? UNUSABLE_COUNTS : 1);
    // In the last heartbeat only: an attempt whose worker dies does not count.
    Context.current().heartbeat({ sandboxFailures: failures });
    if (failures < MAX_TRIES) throw error;
    log.warn({ sandboxId, err: error }, 'sandbox given up');
    const message = `sandbox ${sandboxId} cannot be worked with: ${error.message}`;
    throw finalFailure(message);
  }
}
