// Puts a session to rest after its turn: stops the work item, inspects the session, pauses the sandbox. One activity does all
// three, because Temporal Cloud bills each activity.
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { failpoint } from '../../src/failpoints.ts';
import {
  type Activities,
  type Failed,
  isFailed,
  type RestArgs,
  type Rested,
} from '../../workflows/contract.ts';
import { defineActivity, workflowId } from '../define-activity.ts';
import { toFailure } from '../errors.ts';
import { heartbeatNow, setHeartbeatDetails } from '../heartbeat.ts';

/** Each is safe to repeat, and is repeated if the worker dies before it has recorded its end. */
type Parts = Pick<Activities, 'stopWork' | 'inspectSession' | 'pauseSandbox'>;

export function createRestSession(parts: Parts) {
  return {
    restSession: defineActivity(async (args: RestArgs): Promise<Rested> => {
      const { info, cancellationSignal } = Context.current();
      // What the last attempt has done.
      const done = { ...(info.heartbeatDetails as Partial<Rested> | null | undefined) };
      setHeartbeatDetails(() => done);
      try {
        return await rest(parts, args, done, cancellationSignal);
      } catch (error) {
        // The next attempt goes on from here. Heartbeats are billed, so none is sent where nothing is done.
        if (Object.keys(done).length > 0) heartbeatNow(() => done);
        throw error;
      }
    }),
  };
}

/** @param done gets the outcome of each part as soon as there is one */
async function rest(
  parts: Parts,
  { sessionId, environmentId, workId, heldSince, sandboxId }: RestArgs,
  done: Partial<Rested>,
  cancelled: AbortSignal,
): Promise<Rested> {
  const ids = { sessionId, environmentId };
  if (workId !== undefined) {
    const item = { ...ids, workId, ...(heldSince === undefined ? {} : { heldSince }) };
    done.work ??= await outcomeOf(() => parts.stopWork(item).then(() => 'stopped' as const));
  }
  cancelled.throwIfAborted();
  // After the stop: the item of a turn that begins now is offered by the queue.
  done.inspection ??= await outcomeOf(() => parts.inspectSession({ ...ids, orphanedCalls: true }));
  failpoint('session-inspected', workflowId());
  cancelled.throwIfAborted();
  const { inspection } = done;
  if (sandboxId !== undefined) {
    const isLive = !isFailed(inspection) && inspection.live;
    done.sandbox ??= isLive
      ? 'left running'
      : await outcomeOf(() => parts.pauseSandbox({ environmentId, sandboxId }));
  }
  return { ...done, inspection };
}

/** An error that no retry can help is an outcome, so that the other parts are done all the same. */
async function outcomeOf<Outcome>(part: () => Promise<Outcome>): Promise<Outcome | Failed> {
  try {
    return await part();
  } catch (error) {
    const failure = toFailure(error);
    if (failure instanceof ApplicationFailure && failure.nonRetryable) return { failed: failure.message };
    throw failure;
  }
}
