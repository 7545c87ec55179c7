// Measures recovery: the time from the kill of a worker to the next activity of each of its sessions.
import { WorkflowNotFoundError } from '@temporalio/client';
import { forEachConcurrently } from '../activities/for-each-concurrently.ts';
import { sleep } from '../activities/sleep.ts';
import type { Child } from '../harness/child.ts';
import { pidOf } from '../harness/session-workflow.ts';
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW } from '../workflows/messages.ts';
import { activityEnds, activityStarts, type Run } from './histories.ts';

export interface Loss {
  workflowId: string;
  /** Epoch ms of the kill. */
  killedAt: number;
  /** Epoch ms of the start of the session's next activity; null: none was seen. */
  nextAt: number | null;
  /** Process id of the worker. */
  pid: number;
  /** The session's activities that the worker was running. */
  activities: LostActivity[];
}

export interface LostActivity {
  runId: string;
  activityId: string;
  name: string;
}

interface Pending extends LostActivity {
  pid: number;
  startedAt: number;
}

/** Not more often, because each poll queries up to a hundred sessions. */
const POLL_MS = 3_000;
const GIVE_UP_MS = 60_000;

export class Recovery {
  readonly losses: Loss[] = [];
  readonly #temporal: World['temporal']['client'];
  readonly #followers: Promise<void>[] = [];

  constructor({ client }: World['temporal']) {
    this.#temporal = client;
  }

  /** Kills the worker, and polls the sessions whose activities it was running. */
  async kill(worker: Child): Promise<void> {
    const perSession = await this.#activitiesOf(worker.pid).catch(() => []);
    const killedAt = Date.now();
    await worker.kill();
    for (const [workflowId, activities] of perSession) {
      const loss: Loss = { workflowId, killedAt, nextAt: null, pid: worker.pid, activities };
      this.losses.push(loss);
      this.#followers.push(this.#follow(loss));
    }
  }

  /** Resolves when all these sessions have started an activity, or the polling has timed out. */
  async settled(): Promise<void> {
    await Promise.all(this.#followers);
  }

  async #activitiesOf(pid: number): Promise<[string, LostActivity[]][]> {
    const perSession: [string, LostActivity[]][] = [];
    const query = `ExecutionStatus = 'Running' AND WorkflowType = '${SESSION_WORKFLOW}'`;
    const running: string[] = [];
    for await (const { workflowId } of this.#temporal.workflow.list({ query })) running.push(workflowId);
    await forEachConcurrently(running, async (workflowId) => {
      const mine = (await this.#pending(workflowId)).filter((activity) => activity.pid === pid);
      if (mine.length > 0) perSession.push([workflowId, mine]);
    });
    return perSession;
  }

  async #follow(loss: Loss): Promise<void> {
    while (Date.now() < loss.killedAt + GIVE_UP_MS) {
      await sleep(POLL_MS);
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

  /** The running activities of a session. */
  async #pending(workflowId: string): Promise<Pending[]> {
    const { raw, runId } = await this.#temporal.workflow.getHandle(workflowId).describe();
    return (raw.pendingActivities ?? []).flatMap((activity) => {
      const { activityType, activityId, lastWorkerIdentity, lastStartedTime, state } = activity;
      if (state !== STARTED || !lastStartedTime) return [];
      const startedAt = Number(lastStartedTime.seconds) * 1000 + (lastStartedTime.nanos ?? 0) / 1e6;
      const lost = { runId, activityId: activityId ?? '', name: activityType?.name ?? '' };
      return [{ ...lost, pid: pidOf(lastWorkerIdentity), startedAt }];
    });
  }
}

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;

/**
 * Keeps the losses whose activities had not ended before their worker died. Takes the next activity from the history if
 * it started and ended between two polls.
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
