// What the death of a worker costs its sessions: from the kill to the next activity that starts for each.
import { WorkflowNotFoundError } from '@temporalio/client';
import { eachOf } from '../activities/for-each-concurrently.ts';
import type { Child } from '../harness/child.ts';
import { pidOf } from '../harness/session-workflow.ts';
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW } from '../workflows/messages.ts';
import { sleep } from './client.ts';
import { activityEnds, activityStarts, type Run } from './histories.ts';

export interface Loss {
  workflowId: string;
  /** Epoch ms of the kill. */
  killedAt: number;
  /** Epoch ms at which the next activity of the session was started; null: none was seen. */
  nextAt: number | null;
  /** Process id of the worker. */
  pid: number;
  /** What the session had in that worker's hands. */
  activities: Held[];
}

export interface Held {
  runId: string;
  activityId: string;
  name: string;
}

interface Pending extends Held {
  pid: number;
  startedAt: number;
}

/** No oftener: the server has to answer for each of a hundred sessions. */
const LOOK_EVERY_MS = 3_000;
const LOOK_FOR_MS = 60_000;

export class Recovery {
  readonly losses: Loss[] = [];
  readonly #temporal: World['temporal']['client'];
  readonly #watches: Promise<void>[] = [];

  constructor({ client }: World['temporal']) {
    this.#temporal = client;
  }

  /** Kills the worker, and follows the sessions whose activities it ran. */
  async kill(worker: Child): Promise<void> {
    const held = await this.#heldBy(worker.pid).catch(() => []);
    const killedAt = Date.now();
    await worker.kill();
    for (const [workflowId, activities] of held) {
      const loss: Loss = { workflowId, killedAt, nextAt: null, pid: worker.pid, activities };
      this.losses.push(loss);
      this.#watches.push(this.#follow(loss));
    }
  }

  /** Resolves when all sessions have gone on, or were given up. */
  async settled(): Promise<void> {
    await Promise.all(this.#watches);
  }

  async #heldBy(pid: number): Promise<[string, Held[]][]> {
    const held: [string, Held[]][] = [];
    const query = `ExecutionStatus = 'Running' AND WorkflowType = '${SESSION_WORKFLOW}'`;
    const running: string[] = [];
    for await (const { workflowId } of this.#temporal.workflow.list({ query })) running.push(workflowId);
    await eachOf(running, async (workflowId) => {
      const mine = (await this.#pending(workflowId)).filter((activity) => activity.pid === pid);
      if (mine.length > 0) held.push([workflowId, mine]);
    });
    return held;
  }

  async #follow(loss: Loss): Promise<void> {
    while (Date.now() < loss.killedAt + LOOK_FOR_MS) {
      await sleep(LOOK_EVERY_MS);
      try {
        const started = (await this.#pending(loss.workflowId)).map(({ startedAt }) => startedAt);
        const next = Math.min(...started.filter((at) => at > loss.killedAt));
        if (next !== Number.POSITIVE_INFINITY) {
          loss.nextAt = next;
          return;
        }
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return;
      }
    }
  }

  /** The activities that a worker has in hand now. */
  async #pending(workflowId: string): Promise<Pending[]> {
    const { raw, runId } = await this.#temporal.workflow.getHandle(workflowId).describe();
    return (raw.pendingActivities ?? []).flatMap((activity) => {
      const { activityType, activityId, lastWorkerIdentity, lastStartedTime, state } = activity;
      if (state !== STARTED || !lastStartedTime) return [];
      const startedAt = Number(lastStartedTime.seconds) * 1000 + (lastStartedTime.nanos ?? 0) / 1e6;
      const held = { runId, activityId: activityId ?? '', name: activityType?.name ?? '' };
      return [{ ...held, pid: pidOf(lastWorkerIdentity), startedAt }];
    });
  }
}

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;

/**
 * @returns the losses of sessions that lost something: what they had in hand did not end before its worker died. An
 *   activity that came and went between two looks is found in the history.
 */
export function realLosses(losses: Loss[], runs: Run[]): Loss[] {
  const starts = new Map<string, number[]>();
  const ends = new Map<string, Map<string, number>>();
  for (const run of runs) {
    starts.set(run.workflowId, [...(starts.get(run.workflowId) ?? []), ...activityStarts(run)]);
    ends.set(run.runId, activityEnds(run));
  }
  return losses
    .filter(({ pid, activities }) =>
      activities.some(({ runId, activityId }) => ends.get(runId)?.get(activityId) !== pid),
    )
    .map((loss) => {
      const after = (starts.get(loss.workflowId) ?? []).filter((at) => at > loss.killedAt);
      const next = Math.min(...after, loss.nextAt ?? Number.POSITIVE_INFINITY);
      return { ...loss, nextAt: next === Number.POSITIVE_INFINITY ? null : next };
    });
}
