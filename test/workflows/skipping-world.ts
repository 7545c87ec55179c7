// Workflows on a server that skips the waiting, from the production bundle; their activities are scripted.
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { findTestServer } from '../../harness/temporal-binary.ts';
import { projectPath } from '../../src/paths.ts';
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
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: TASK_QUEUE,
    workflowBundle: { codePath: projectPath('bundles/workflows.js') },
    ...options,
    activities: activities(env),
  });
  const running = worker.run();
  return {
    env,
    close: async () => {
      worker.shutdown();
      await running;
      await env.teardown();
    },
  };
}
