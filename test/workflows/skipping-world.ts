// Workflows on a server that skips the waiting, from the production bundle; their activities are scripted.
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkerOptions } from '@temporalio/worker';
import { findTestServer } from '../../harness/temporal-binary.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools } from '../../src/worker-pools.ts';
import { TASK_QUEUE } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';

export interface SkippingWorld {
  env: TestWorkflowEnvironment;
  close(): Promise<void>;
}

/** @param activities made for the server, which some of them talk to */
export async function startSkippingWorld(
  activities: (env: TestWorkflowEnvironment) => object,
  options: Partial<WorkerOptions> = {},
): Promise<SkippingWorld> {
  quietTemporal();
  const server = { executable: { type: 'existing-path' as const, path: await findTestServer() } };
  const env = await TestWorkflowEnvironment.createTimeSkipping({ server });
  const pools = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: { connection: env.nativeConnection, ...options },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: activities(env),
  });
  const running = pools.run();
  return {
    env,
    close: async () => {
      pools.shutdown();
      await running;
      await env.teardown();
    },
  };
}
