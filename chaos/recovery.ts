// What the death of a worker costs its sessions: from the kill to the next activity that starts for each.
import { WorkflowNotFoundError } from '@temporalio/client';
import { eachOf } from '../activities/each-of.ts';
import type { Child } from '../demo/child.ts';
import type { World } from '../demo/world.ts';
import { SESSION_WORKFLOW } from '../workflows/messages.ts';
import { sleep } from './client.ts';

export interface Loss {
  workflowId: string;
  /** Epoch ms of the kill. */
  killedAt: number;
  /** Epoch ms at which the next activity of the session was started; null: none was seen. */
  nextAt: number | null;
  /** What the session had in that worker's hands. */
  activities: string[];
}

interface Pending {
  name: string;
  pid: number;
  startedAt: number;
}

const LOOK_EVERY_MS = 1_000;
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
      const loss: Loss = { workflowId, killedAt, nextAt: null, activities };
      this.losses.push(loss);
      this.#watches.push(this.#follow(loss));
    }
  }

  /** Resolves when all sessions have gone on, or were given up. */
  async settled(): Promise<void> {
    await Promise.all(this.#watches);
  }

  async #heldBy(pid: number): Promise<[string, string[]][]> {
    const held: [string, string[]][] = [];
    const query = `ExecutionStatus = 'Running' AND WorkflowType = '${SESSION_WORKFLOW}'`;
    const running: string[] = [];
    for await (const { workflowId } of this.#temporal.workflow.list({ query })) running.push(workflowId);
    await eachOf(running, async (workflowId) => {
      const mine = (await this.#pending(workflowId)).filter((activity) => activity.pid === pid);
      if (mine.length > 0) held.push([workflowId, mine.map(({ name }) => name)]);
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
    const { raw } = await this.#temporal.workflow.getHandle(workflowId).describe();
    return (raw.pendingActivities ?? []).flatMap((activity) => {
      const { activityType, lastWorkerIdentity, lastStartedTime, state } = activity;
      if (state !== STARTED || !lastStartedTime) return [];
      const startedAt = Number(lastStartedTime.seconds) * 1000 + (lastStartedTime.nanos ?? 0) / 1e6;
      // A worker's identity is `<process id>@<host>`.
      return [
        { name: activityType?.name ?? '', pid: Number.parseInt(lastWorkerIdentity ?? '', 10), startedAt },
      ];
    });
  }
}

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;
