// Records a quarter of an hour of an environment's workflow, on a server that skips time.
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { it } from 'vitest';
import { findTestServer } from '../../harness/temporal-binary.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools } from '../../src/worker-pools.ts';
import { ENVIRONMENT_WORKFLOW, environmentWorkflowId, TASK_QUEUE } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { saveHistory } from './saved-history.ts';

quietTemporal();

const start = { environmentId: 'env_recorded' };
const revoked = () => ApplicationFailure.nonRetryable('invalid x-api-key', 'final');

it('a queue watch that reconciles and is renewed, and a queue watch that fails for good', async () => {
  const server = { executable: { type: 'existing-path' as const, path: await findTestServer() } };
  const env = await TestWorkflowEnvironment.createTimeSkipping({ server });
  let watched = 0;
  let reconciled = 0;
  const workers = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: { connection: env.nativeConnection },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: {
      watchQueue: async () => {
        // Time is skipped only between attempts, so the service fails until the second reconcile.
        if (reconciled < 2) throw new Error('fetch failed');
        watched += 1;
        if (watched > 1) throw revoked();
        return { claimed: 3 };
      },
      reconcile: async () => {
        reconciled += 1;
        if (reconciled > 1) throw revoked();
        return ['adopted work item work_1, acknowledged and never held'];
      },
    },
  });
  const workflowId = environmentWorkflowId(start.environmentId);
  const running = workers.run();
  try {
    const options = { workflowId, taskQueue: TASK_QUEUE, args: [start] };
    const { firstExecutionRunId } = await env.client.workflow.start(ENVIRONMENT_WORKFLOW, options);
    await env.sleep('15 minutes');
    const first = env.client.workflow.getHandle(workflowId, firstExecutionRunId);
    const { events } = await saveHistory('environment-reconciled', first);
    const renewed = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes as Renewed;
    const second = env.client.workflow.getHandle(workflowId, renewed.newExecutionRunId);
    await saveHistory('environment-watch-failed', second);
    await env.client.workflow.getHandle(workflowId).terminate('recorded');
  } finally {
    workers.shutdown();
    await running;
  }
  await env.teardown();
});

interface Renewed {
  newExecutionRunId: string;
}
