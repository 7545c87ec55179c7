// A bare loop as a contestant: a signal, an activity, the next signal, and so on, on the router's Temporal server. Its
// times are a lower bound for whatever makes each call durable by a signal and an activity.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { BareActivities } from './bare-workflow.ts';
import type { Contestant } from './contestant.ts';

const TASK_QUEUE = 'bench-bare-loop';

export async function startBareLoop(address: string, client: Client): Promise<Contestant> {
  const logger = new DefaultLogger('WARN');
  Runtime.install({ logger, shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const waiting = new Map<number, (startedAt: number) => void>();
  const activities: BareActivities = {
    async touch(number) {
      waiting.get(number)?.(performance.now());
    },
  };
  const worker = await Worker.create({
    connection,
    namespace: client.options.namespace,
    taskQueue: TASK_QUEUE,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('./bare-workflow.ts', import.meta.url)),
      logger,
    }),
    activities,
  });
  const running = worker.run();
  const opened: string[] = [];
  let modelMs = 0;
  let number = 0;
  return {
    name: 'bare loop',
    open: async () => {
      const workflowId = `bench-bare-${Date.now()}-${opened.length}`;
      await client.workflow.start('bareWorkflow', { workflowId, taskQueue: TASK_QUEUE });
      opened.push(workflowId);
      return workflowId;
    },
    turn: async (workflowId, calls) => {
      const handle = client.workflow.getHandle(workflowId);
      const beganAt = performance.now();
      const made: { askedAt: number; startedAt: number }[] = [];
      for (let call = 0; call < calls; call += 1) {
        await sleep(modelMs);
        number += 1;
        const started = new Promise<number>((resolve) => waiting.set(number, resolve));
        const askedAt = performance.now();
        await handle.signal('go', number);
        made.push({ askedAt, startedAt: await started });
        waiting.delete(number);
      }
      return {
        first: (made[0]?.startedAt ?? Number.NaN) - beganAt,
        whole: (made.at(-1)?.startedAt ?? Number.NaN) - beganAt,
        calls: made.map(({ askedAt, startedAt }) => startedAt - askedAt),
      };
    },
    modelTakes: async (ms) => {
      modelMs = ms;
    },
    close: async () => {
      for (const workflowId of opened) await client.workflow.getHandle(workflowId).terminate();
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
