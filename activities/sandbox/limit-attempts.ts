// A sandbox that does not let itself be worked with is given up some time: the model may be behind it.
import { Context } from '@temporalio/activity';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Deps } from '../deps.ts';
import { finalFailure } from '../errors.ts';

/** Tries of one activity. One that gets no answer may be E2B's trouble, and counts for less: minutes of it pass. */
const MAX_TRIES = 40;
const UNUSABLE_COUNTS = 8;

/**
 * Does the work of an activity. What the sandbox spoils is tried again by Temporal, with growing pauses, a limited number
 * of times, counted in the heartbeats of the attempts that fail. Troubles of the two services do not count.
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
    // In the last heartbeat and only there.
    Context.current().heartbeat({ sandboxFailures: failures });
    if (failures < MAX_TRIES) throw error;
    log.warn({ sandboxId, err: error }, 'sandbox given up');
    const message = `sandbox ${sandboxId} cannot be worked with: ${error.message}`;
    throw finalFailure(message);
  }
}
