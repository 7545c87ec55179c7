// Drain, resume and reconcile of an environment's workflow, on a real server and from the production bundle.
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import { taskFailureOf } from '../../../src/cli/sessions/history.ts';
import { projectPath } from '../../../src/paths.ts';
import { createWorkerPools } from '../../../src/worker-pools.ts';
import { DRAINED_MEMO, ENVIRONMENT_WORKFLOW, TASK_QUEUE } from '../../../workflows/messages.ts';
import type { UpdateAnswer } from '../../../workflows/updates.ts';
import { quietTemporal } from '../../quiet-temporal.ts';
import { newNamespace, type TestNamespace } from '../../temporal-namespace.ts';
import { untilCancelled } from '../session-world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

quietTemporal();

let env: TestNamespace;
let close: () => Promise<void>;
let watches = 0;
let reconciles = 0;
beforeAll(async () => {
  env = await newNamespace();
  const pools = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: {
      connection: await NativeConnection.connect(env.config.connectionOptions),
      namespace: env.config.namespace,
      maxHeartbeatThrottleInterval: '50ms',
    },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: {
      watchQueue: async () => {
        watches += 1;
        await untilCancelled();
      },
      reconcile: async () => {
        reconciles += 1;
        return [`finding ${reconciles}`];
      },
    },
  });
  const running = pools.run();
  close = async () => {
    pools.shutdown();
    await running;
    await env.close();
  };
});
afterAll(() => close?.());

const begin = (environmentId: string) =>
  env.client.workflow.start(ENVIRONMENT_WORKFLOW, {
    workflowId: `environment-${environmentId}`,
    taskQueue: TASK_QUEUE,
    args: [{ environmentId, reconcileMs: 86_400_000 }],
  });
async function ask(
  handle: WorkflowHandle,
  name: string,
  args: unknown[] = [{ by: 'anna@desk' }],
  updateId?: string,
) {
  const latest = env.client.workflow.getHandle(handle.workflowId);
  const { outcome, text } = await latest.executeUpdate<UpdateAnswer, [unknown]>(name, {
    args: args as [unknown],
    ...(updateId ? { updateId } : {}),
  });
  return `${outcome}: ${text}`;
}
const again = (handle: WorkflowHandle, name: string, updateId: string) =>
  ask(handle, name, [{ by: 'anna@desk' }], updateId);
async function untilNextRun({ workflowId }: WorkflowHandle, runId: string): Promise<string> {
  return until('the next run has begun', async () => {
    const latest = (await env.client.workflow.getHandle(workflowId).describe()).runId;
    return latest !== runId && latest;
  });
}
const drainedSince = async ({ workflowId }: WorkflowHandle) =>
  (await env.client.workflow.getHandle(workflowId).describe()).memo?.[DRAINED_MEMO] ?? null;

it('takes no work while drained, also in the next run, and takes it again', async () => {
  const handle = await begin('env_drained');
  await until('the queue is watched', async () => watches === 1);
  expect(await ask(handle, 'drain')).toMatch(/^done: No new work is taken/);
  await until('the next run is drained', async () => {
    const latest = await env.client.workflow.getHandle(handle.workflowId).describe();
    return latest.runId !== handle.firstExecutionRunId && (await drainedSince(handle));
  });
  expect(await ask(handle, 'drain')).toMatch(/^already: .*drained by anna@desk/);
  expect(await ask(handle, 'reconcileNow')).toBe('done: Reconciled: finding 1.');
  expect(watches).toBe(1);
  expect(await ask(handle, 'resume')).toMatch(/^done: /);
  await until('the queue is watched again', async () => watches === 2);
  await until('claims are made again', async () => (await drainedSince(handle)) === null);
  expect(await ask(handle, 'resume')).toMatch(/^already: /);
  await env.client.workflow.getHandle(handle.workflowId).terminate();
});

it('does what an update asks for once, whichever run is asked again', async () => {
  const handle = await begin('env_again');
  const run = handle.firstExecutionRunId;
  const found = await again(handle, 'reconcileNow', 'reconcile-1');
  expect(found).toMatch(/^done: Reconciled: finding/);
  expect(await again(handle, 'reconcileNow', 'reconcile-1')).toBe(found);
  const drained = await again(handle, 'drain', 'drain-1');
  expect(drained).toMatch(/^done: /);
  const second = await untilNextRun(handle, run);
  expect(await again(handle, 'drain', 'drain-1')).toBe(drained);
  const before = reconciles;
  expect(await again(handle, 'reconcileNow', 'reconcile-1')).toBe(found);
  expect(reconciles).toBe(before);
  expect(await again(handle, 'resume', 'resume-1')).toMatch(/^done: /);
  await untilNextRun(handle, second);
  // A person who repeats what was done and undone does not undo it in turn.
  expect(await again(handle, 'drain', 'drain-1')).toBe(drained);
  expect(await drainedSince(handle)).toBeNull();
  await env.client.workflow.getHandle(handle.workflowId).terminate();
});

it('answers every update, although nearly each of them ends its run', async () => {
  const handle = await begin('env_crowd');
  for (let round = 0; round < 5; round += 1) {
    const asked = ['drain', 'reconcileNow', 'resume', 'reconcileNow', 'drain', 'resume'];
    const answers = await Promise.all(asked.map((name) => ask(handle, name)));
    for (const answer of answers)
      expect(answer).toMatch(/^(done|already|pending|failed: A person has resumed)/);
    expect(await ask(handle, 'resume')).toMatch(/^(done|already)/);
    await until('claims are made', async () => (await drainedSince(handle)) === null);
  }
  const last = await env.client.workflow.getHandle(handle.workflowId).describe();
  expect(last.runId).not.toBe(handle.firstExecutionRunId);
  await env.client.workflow.getHandle(handle.workflowId).terminate();
});

it.each([[[]], [[null]], [['anna']], [[{ by: '' }]], [[{ by: 5 }]], [[{ by: 'x'.repeat(201) }]]])(
  'refuses malformed arguments: %j',
  async (args) => {
    const handle = await begin(`env_${Math.random()}`);
    for (const name of ['drain', 'resume', 'reconcileNow', 'neverHeardOf'])
      await expect(ask(handle, name, args)).rejects.toThrow(WorkflowUpdateFailedError);
    const { events } = await handle.fetchHistory();
    expect(events?.filter(taskFailureOf)).toEqual([]);
    await handle.terminate();
  },
);
