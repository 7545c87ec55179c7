// Records the workflow for slots: five workflows want one of two slots, one asks twice, and one has ended meanwhile.
import { NativeConnection, Worker } from '@temporalio/worker';
import { it } from 'vitest';
import { startTemporal } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';
import { lazyTemporal } from '../../src/clients/temporal.ts';
import { projectPath } from '../../src/paths.ts';
import {
  SANDBOX_WORKFLOW,
  SLOTS_WORKFLOW,
  SLOTS_WORKFLOW_ID,
  slotRequestedSignal,
  slotReturnedSignal,
  TASK_QUEUE,
} from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { saveHistory } from './saved-history.ts';

quietTemporal();

it('five workflows that want one of two slots', async () => {
  const server = await startTemporal();
  const { address } = server;
  const temporal = lazyTemporal({ connectionOptions: { address }, namespace: 'default' });
  const { workflow } = temporal.client;
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address }),
    taskQueue: TASK_QUEUE,
    workflowBundle: { codePath: projectPath('bundles/workflows.js') },
    activities: { findEndedWorkflows: async () => [] },
  });
  await worker.runUntil(async () => {
    // The workflow that gets a slot is told by signal, so any running workflow will do.
    const settings = { retentionMs: 3_600_000 };
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const key of names)
      await workflow.start(SANDBOX_WORKFLOW, {
        workflowId: key,
        taskQueue: TASK_QUEUE,
        args: [{ key, environmentId: 'env_recorded', settings }],
      });
    const want = (holder: string) =>
      workflow.signalWithStart(SLOTS_WORKFLOW, {
        workflowId: SLOTS_WORKFLOW_ID,
        taskQueue: TASK_QUEUE,
        signal: slotRequestedSignal,
        signalArgs: [
          {
            holder,
            environmentId: 'env_recorded',
            limits: { running: 2, startsPerSecond: 5 },
            environmentLimit: 0,
          },
        ],
      });
    const slots = workflow.getHandle(SLOTS_WORKFLOW_ID);
    const signalsSent = async () => {
      const { events } = await slots.fetchHistory();
      return events?.filter((event) => event.externalWorkflowExecutionSignaledEventAttributes).length ?? 0;
    };
    for (const name of names) await want(name);
    await until('all are told', async () => (await signalsSent()) >= 5);
    await want('a');
    await workflow.getHandle('c').terminate();
    await slots.signal(slotReturnedSignal, { holder: 'a' });
    await until('the next one has the place', async () => {
      const { events } = await workflow.getHandle('d').fetchHistory();
      return events?.some(
        (event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'slotGranted',
      );
    });
    for (const name of names) await slots.signal(slotReturnedSignal, { holder: name });
    await until('it is empty', async () => {
      const metadata = await slots.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      return metadata.currentDetails.includes('running: **0');
    });
    await saveHistory('slots', slots);
    for (const name of [...names, SLOTS_WORKFLOW_ID])
      await workflow
        .getHandle(name)
        .terminate()
        .catch(() => undefined);
  });
  await temporal.connection.close();
  await server.close();
});
