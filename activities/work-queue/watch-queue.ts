// The work queue of our environment: items are handed to their session's workflow before they are acknowledged.
import { Context } from '@temporalio/activity';
import { failpoint } from '../../src/failpoints.ts';
import type { HeldItem } from '../../workflows/contract.ts';
import { DRAINED_MEMO } from '../../workflows/messages.ts';
import { defineActivity, workflowId } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { beat, setHeartbeatDetails } from '../heartbeat.ts';
import { isRecalled } from '../recalled.ts';
import { sleep } from '../sleep.ts';
import type { WorkClaims } from './claim-work.ts';
import { recordWork } from './work-span.ts';

/** The watch returns by itself, so that the history of its workflow stays short. */
const WATCH_FOR_MS = 60 * 60_000;
/** Between two empty polls, as the SDK's poller does: about 20 requests a minute. */
const EMPTY_PAUSE_MS = { least: 1000, most: 3000 };
const LONGEST_POLL_MS = 999;
/** How soon a watch that is to end notices: its heartbeats, by which it learns of that, are far apart. */
const ASK_EVERY_MS = 2_500;

export function createWorkQueueActivities(claims: WorkClaims, deps: Pick<Deps, 'temporal' | 'names'>) {
  // As Temporal last answered. Before its first answer nothing is polled that might have to be left.
  let wasDrained = true;
  return {
    /**
     * Takes all items, of whichever session. Claims of one process are merged. Whether the environment is drained is asked
     * while the first poll runs; if it was drained before, the answer is awaited first, since an item that is polled in vain
     * is offered again only seconds later.
     */
    claimWork: defineActivity(async ({ environmentId }: { environmentId: string }) => {
      const asked = isDrained(deps, environmentId);
      if (wasDrained) wasDrained = await asked;
      const claimed = wasDrained ? 0 : await claims.drain(undefined, asked);
      wasDrained = await asked;
      return wasDrained ? { claimed, drained: true } : { claimed };
    }),

    /** Finds work whose webhook was lost. */
    watchQueue: defineActivity(async (_args: { environmentId: string }): Promise<{ claimed: number }> => {
      const { cancellationSignal } = Context.current();
      const until = Date.now() + WATCH_FOR_MS;
      let claimed = 0;
      let askedAt = Date.now();
      setHeartbeatDetails(() => ({ claimed }));
      while (Date.now() < until) {
        claimed += await claims.drain(LONGEST_POLL_MS);
        if (Date.now() - askedAt >= ASK_EVERY_MS) {
          askedAt = Date.now();
          if (await isRecalled(deps.temporal)) beat(Context.current());
        }
        const { least, most } = EMPTY_PAUSE_MS;
        await sleep(least + Math.random() * (most - least), cancellationSignal);
      }
      return { claimed };
    }),

    stopWork: defineActivity((args: HeldItem) => stopWork(claims, args)),
  };
}

/** An item that is stopped or no longer exists is no error. */
export async function stopWork(claims: WorkClaims, item: HeldItem): Promise<void> {
  await claims.stop(item.workId);
  failpoint('work-stopped', workflowId());
  recordWork(item);
}

/** Whether a person has asked the environment to take no new work. Never rejects. */
async function isDrained(
  { temporal, names }: Pick<Deps, 'temporal' | 'names'>,
  environmentId: string,
): Promise<boolean> {
  try {
    const environment = temporal.workflow.getHandle(names.environmentWorkflowId(environmentId));
    return Boolean((await environment.describe()).memo?.[DRAINED_MEMO]);
  } catch {
    // Its workflow is not there, or Temporal does not answer: nothing is claimed without it, either.
    return false;
  }
}
