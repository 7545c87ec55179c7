// The Temporal Workers of one process, one Worker for each pool of slots (workflows/task-queues.ts). They share one
// connection, and start and stop together.
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { type ActivityOf, POOLS, type Pool, taskQueueOf } from '../workflows/task-queues.ts';

type Activity = (...args: never[]) => Promise<unknown>;

export interface PoolsOptions {
  /** Task queue of the workflows; those of the other pools are derived from it. */
  taskQueue: string;
  /** Options of every Worker. All Workers of one process are the same version of their deployment. */
  common: Omit<WorkerOptions, 'taskQueue' | 'activities'> & Required<Pick<WorkerOptions, 'connection'>>;
  /** Further options of the Worker that runs workflows. */
  workflows: Partial<WorkerOptions>;
  /** Maximum number of activities at once in each pool; Temporal's default is 100. */
  slots?: Partial<Record<Pool, number>>;
  /** Activities by name. A pool without any of its activities gets no Worker. */
  activities: Partial<Record<ActivityOf<Pool>, Activity>>;
}

export interface WorkerPools {
  /** Runs until all Workers have stopped; if one fails, stops the others and rejects with its error. */
  run(): Promise<void>;
  /** Asks all Workers to stop; `run` resolves when they have. */
  shutdown(): void;
  /** How many activities run in this process, by pool; pools without any are left out. */
  running(): Partial<Record<Pool, number>>;
}

/** Activities of these pools last until something ends them: to wait for that would only delay the stop of the process. */
const ENDLESS: ReadonlySet<Pool> = new Set(['sessionWatches', 'queueWatches']);

/** Creates the Workers. @throws Error if Temporal cannot be reached or refuses an option */
export async function createWorkerPools(options: PoolsOptions): Promise<WorkerPools> {
  const { common, workflows, slots = {}, activities } = options;
  const byPool = new Map<Pool, Worker>();
  for (const pool of Object.keys(POOLS) as Pool[]) {
    const names: readonly ActivityOf<Pool>[] = POOLS[pool];
    const given = names.flatMap((name) => (activities[name] ? [[name, activities[name]]] : []));
    const isForWorkflows = pool === 'toolCalls';
    if (given.length === 0 && !isForWorkflows) continue;
    const max = slots[pool];
    byPool.set(
      pool,
      await Worker.create({
        ...common,
        ...(isForWorkflows ? workflows : {}),
        taskQueue: taskQueueOf(pool, options.taskQueue),
        activities: Object.fromEntries(given),
        ...(ENDLESS.has(pool) ? { shutdownGraceTime: 0 } : {}),
        ...(max === undefined ? {} : { maxConcurrentActivityTaskExecutions: max }),
      }),
    );
  }
  const workers = [...byPool.values()];
  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    running: () => {
      const counts = [...byPool].map(([pool, worker]) => [pool, worker.getStatus().numInFlightActivities]);
      return Object.fromEntries(counts.filter(([, count]) => count !== 0));
    },
    run: async () => {
      const running = workers.map((worker) => worker.run());
      await Promise.all(running).catch(shutdown);
      const ended = await Promise.allSettled(running);
      const failed = ended.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}
