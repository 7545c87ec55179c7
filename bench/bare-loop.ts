// The bare loop: a signal, an activity, the next signal, and so on, on the same Temporal server without the router.
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { BareActivities } from './bare-workflow.ts';

const TASK_QUEUE = 'bench-bare-loop';

export interface BareLoop {
  /** Milliseconds from sending a signal to the start of its activity. */
  startMs: number[];
  /** Milliseconds from one signal to the next. */
  roundMs: number[];
}

export async function bareLoop(address: string, client: Client, signals: number): Promise<BareLoop> {
  const logger = new DefaultLogger('WARN');
  Runtime.install({ logger });
  const connection = await NativeConnection.connect({ address });
  const startedAt = new Map<number, number>();
  const waiting = new Map<number, () => void>();
  const activities: BareActivities = {
    async touch(number) {
      startedAt.set(number, performance.now());
      waiting.get(number)?.();
    },
  };
  const worker = await Worker.create({
    connection,
    namespace: client.options.namespace,
    taskQueue: TASK_QUEUE,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL(workflowFile(), import.meta.url)),
      logger,
    }),
    activities,
  });
  const times: BareLoop = { startMs: [], roundMs: [] };
  await worker.runUntil(async () => {
    const workflowId = `bench-bare-${Date.now()}`;
    const handle = await client.workflow.start('bareWorkflow', {
      workflowId,
      taskQueue: TASK_QUEUE,
      args: [signals],
    });
    for (let number = 0; number < signals; number += 1) {
      const begun = new Promise<void>((resolve) => waiting.set(number, resolve));
      const sentAt = performance.now();
      await handle.signal('go', number);
      await begun;
      times.startMs.push((startedAt.get(number) ?? sentAt) - sentAt);
      times.roundMs.push(performance.now() - sentAt);
    }
    await handle.result();
  });
  await connection.close();
  return times;
}

function workflowFile(): string {
  return import.meta.url.endsWith('.ts') ? './bare-workflow.ts' : './bare-workflow.js';
}
