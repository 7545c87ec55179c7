// Records a session whose watch is recalled while its worker is dead: the work item is released all the same.
import { Context } from '@temporalio/activity';
import { NativeConnection } from '@temporalio/worker';
import { it } from 'vitest';
import { startTemporal } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';
import { lazyTemporal } from '../../src/clients/temporal.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools } from '../../src/worker-pools.ts';
import { SESSION_WORKFLOW, sessionWorkflowId, statusQuery, TASK_QUEUE } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { saveHistory } from './saved-history.ts';

quietTemporal();

it('a watch that is recalled while its worker is dead', async () => {
  const server = await startTemporal();
  const { address } = server;
  const temporal = lazyTemporal({ connectionOptions: { address }, namespace: 'default' });
  const sandboxId = 'i1';
  const workers = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: { connection: await NativeConnection.connect({ address }), shutdownForceTime: '1s' },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: {
      inspectSession: async () => ({ ours: true, live: false, ended: null, orphanedCalls: [] }),
      claimWork: async () => ({ claimed: 0 }),
      prepareSandbox: async () => ({ sandboxId, how: 'created' }),
      // Sends no heartbeat and never ends, like a watch whose worker has died.
      watchSession: () => Context.current().cancelled,
      restSession: async () => ({
        work: 'stopped',
        inspection: { ours: true, live: false, ended: null, orphanedCalls: [] },
        sandbox: 'paused',
      }),
    },
  });
  const running = workers.run();
  try {
    const sessionId = 'sesn_recorded';
    const settings = { graceMs: 500, retentionMs: 3_600_000, searchAttributes: false };
    const handle = await temporal.client.workflow.start(SESSION_WORKFLOW, {
      workflowId: sessionWorkflowId(sessionId),
      taskQueue: TASK_QUEUE,
      args: [{ sessionId, environmentId: 'env_recorded', settings }],
    });
    await handle.signal('workClaimed', { workId: 'work_1', sealedSecret: null });
    const status = () => handle.query(statusQuery).catch(() => null);
    await until('the sandbox is there', async () => (await status())?.sandboxId === sandboxId);
    await handle.signal('sessionChanged', { eventId: 'sevt_1', change: 'idle', reason: 'end_turn' });
    await until('the session rests', async () => (await status())?.phase === 'paused', 60_000);
    await saveHistory('recalled-watch', handle);
    await handle.terminate('recorded');
  } finally {
    workers.shutdown();
    await running;
  }
  await temporal.connection.close();
  await server.close();
});
