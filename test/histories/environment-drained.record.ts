// Records an environment that a person drains, has reconciled and resumes: the run that is drained, and the one after it.
import { NativeConnection } from '@temporalio/worker';
import { it } from 'vitest';
import { until } from '../../harness/until.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools } from '../../src/worker-pools.ts';
import { ENVIRONMENT_WORKFLOW, environmentWorkflowId, TASK_QUEUE } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { newNamespace } from '../temporal-namespace.ts';
import { untilCancelled } from '../workflows/session-world.ts';
import { saveHistory } from './saved-history.ts';

quietTemporal();

it('an environment that is drained, renewed, reconciled on request and resumed', async ({
  onTestFinished,
}) => {
  const temporal = await newNamespace();
  let watches = 0;
  const pools = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: {
      connection: await NativeConnection.connect(temporal.config.connectionOptions),
      namespace: temporal.config.namespace,
      maxHeartbeatThrottleInterval: '50ms',
    },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: {
      watchQueue: async () => {
        watches += 1;
        await untilCancelled();
        throw new Error('cancelled');
      },
      reconcile: async () => ['ended the workflow of session sesn_1: the session no longer exists'],
    },
  });
  const running = pools.run();
  onTestFinished(async () => {
    pools.shutdown();
    await running;
    await temporal.close();
  });

  const environmentId = 'env_drained';
  const workflowId = environmentWorkflowId(environmentId);
  const latest = () => temporal.client.workflow.getHandle(workflowId);
  const ask = (name: string) =>
    latest().executeUpdate<unknown, [object]>(name, { args: [{ by: 'anna@desk' }], updateId: name });
  const renewed = (from: string) =>
    until('the next run has begun', async () => {
      const { runId } = await latest().describe();
      return runId !== from && runId;
    });
  const args = [{ environmentId, reconcileMs: 86_400_000 }];
  const options = { workflowId, taskQueue: TASK_QUEUE, args };
  const first = (await temporal.client.workflow.start(ENVIRONMENT_WORKFLOW, options)).firstExecutionRunId;
  await until('the queue is watched', async () => watches === 1);
  await ask('drain');
  const second = await renewed(first);
  // Asked again, the next run knows the answer.
  await ask('drain');
  await ask('reconcileNow');
  await ask('resume');
  await renewed(second);
  await saveHistory('environment-drain', temporal.client.workflow.getHandle(workflowId, first));
  await saveHistory('environment-drained', temporal.client.workflow.getHandle(workflowId, second));
  await latest().terminate('recorded');
});
