// The Temporal Workers of one process, one for each pool of slots (workflows/task-queues.ts). They share the connection
// and start and stop as one.
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { type ActivityOf, POOLS, type Pool, taskQueueOf } from '../workflows/task-queues.ts';

type Activity = (...args: never[]) => Promise<unknown>;

export interface PoolsOptions {
  /** Of the workflows; those of the other pools are derived from it. */
  taskQueue: string;
  /** For all of them alike. Workers of one process are one version of their deployment. */
  common: Omit<WorkerOptions, 'taskQueue' | 'activities'> & Required<Pick<WorkerOptions, 'connection'>>;
  /** For the one that runs workflows. */
  workflows: Partial<WorkerOptions>;
  /** Activities that run at once, where that is limited; Temporal's default of 100 otherwise. */
  slots?: Partial<Record<Pool, number>>;
  /** By name. A pool of which none is given has no worker. */
  activities: Partial<Record<ActivityOf<Pool>, Activity>>;
}

export interface WorkerPools {
  /** Runs until all have stopped; where one fails, the others are stopped. */
  run(): Promise<void>;
  shutdown(): void;
}

export async function createWorkerPools(options: PoolsOptions): Promise<WorkerPools> {
  const { common, workflows, slots = {}, activities } = options;
  const workers: Worker[] = [];
  for (const pool of Object.keys(POOLS) as Pool[]) {
    const names: readonly ActivityOf<Pool>[] = POOLS[pool];
    const given = names.flatMap((name) => (activities[name] ? [[name, activities[name]]] : []));
    const isForWorkflows = pool === 'toolCalls';
    if (given.length === 0 && !isForWorkflows) continue;
    const max = slots[pool];
    workers.push(
      await Worker.create({
        ...common,
        ...(isForWorkflows ? workflows : {}),
        taskQueue: taskQueueOf(pool, options.taskQueue),
        activities: Object.fromEntries(given),
        ...(max === undefined ? {} : { maxConcurrentActivityTaskExecutions: max }),
      }),
    );
  }
  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    shutdown,
    run: async () => {
      const running = workers.map((worker) => worker.run());
      await Promise.all(running).catch(shutdown);
      const ended = await Promise.allSettled(running);
      const failed = ended.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}
