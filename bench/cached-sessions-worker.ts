// The worker process that bench/cached-sessions.ts measures: the product's code, its workflow bundle and its pools of slots,
// with activities that answer at once instead of calling the services. Its environment: BENCH_TEMPORAL, BENCH_CACHED.
import { Context } from '@temporalio/activity';
import { NativeConnection } from '@temporalio/worker';
// What the product's worker loads is loaded here too: it is part of the memory.
import '../src/worker.ts';
import { projectPath } from '../src/paths.ts';
import { createWorkerPools } from '../src/worker-pools.ts';
import type { Activities } from '../workflows/contract.ts';
import { TASK_QUEUE } from '../workflows/messages.ts';

const HEARTBEAT_MS = 500;

const activities: Partial<Activities> = {
  claimWork: async () => ({ claimed: 0 }),
  inspectSession: async () => ({ ours: true, live: false, ended: null, orphanedCalls: [] }),
  prepareSandbox: async ({ sessionId, sandboxId }) => {
    // For what measures how soon a session wakes.
    process.stdout.write(`${JSON.stringify({ prepared: sessionId, at: Date.now() })}\n`);
    return { sandboxId: sandboxId ?? 'isandbox1', how: 'connected' };
  },
  restSession: async () => ({
    work: 'stopped',
    inspection: { ours: true, live: false, ended: null, orphanedCalls: [] },
    sandbox: 'paused',
  }),
  runToolCall: async () => ({ outcome: 'done' }),
  watchSession: async () => {
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
    await context.cancelled.catch(() => undefined).finally(() => clearInterval(beat));
    return { why: 'recalled', lease: null };
  },
};

const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL ?? '' });
const pools = await createWorkerPools({
  taskQueue: TASK_QUEUE,
  common: { connection, shutdownGraceTime: 0, shutdownForceTime: '2s' },
  workflows: {
    workflowBundle: { codePath: projectPath('bundles/workflows.js') },
    maxCachedWorkflows: Number(process.env.BENCH_CACHED),
  },
  slots: { sessionWatches: 1000, short: 100, preparation: 100, toolCalls: 500 },
  activities,
});
process.once('SIGTERM', () => pools.shutdown());
process.stdout.write('ready\n');
await pools.run();
await connection.close();
