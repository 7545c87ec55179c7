// The workflow of an environment, from the production bundle on a server that skips the waiting.
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import { ENVIRONMENT_WORKFLOW, TASK_QUEUE } from '../../../workflows/messages.ts';
import { startSkippingWorld } from '../skipping-world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let env: TestWorkflowEnvironment;
let close: () => Promise<void>;
/** When each watch of an environment was asked for, by the server's clock. */
const watches = new Map<string, number[]>();

beforeAll(async () => {
  const watchQueue = async ({ environmentId }: { environmentId: string }) => {
    const { scheduledTimestampMs } = Context.current().info;
    watches.set(environmentId, [...(watches.get(environmentId) ?? []), scheduledTimestampMs]);
    if (environmentId === 'env_refused') throw ApplicationFailure.nonRetryable('the key was revoked');
    return { claimed: 0 };
  };
  const reconcile = async () => [];
  ({ env, close } = await startSkippingWorld(() => ({ watchQueue, reconcile })));
});
afterAll(() => close?.());

it.each([
  { environmentId: 'env_over' },
  { environmentId: 'env_refused' },
  { environmentId: 'env_seldom', reconcileMs: 1e300 },
])('a watch that ends at once is not repeated for a minute: $environmentId', async (start) => {
  const { environmentId } = start;
  const handle = await env.client.workflow.start(ENVIRONMENT_WORKFLOW, {
    workflowId: `environment-${environmentId}`,
    taskQueue: TASK_QUEUE,
    args: [start],
  });
  onTestFinished(() => void handle.terminate().catch(() => undefined));
  const begun = () => watches.get(environmentId) ?? [];
  await until('the queue is watched', async () => begun().length > 0);
  await env.sleep('5 minutes');
  await until('it is watched again', async () => begun().length > 3);
  // An activity of a terminated workflow would hold up the server's clock for the cases that follow.
  const resting = async () => {
    // An activity that failed waits for its retry on the test server's clock, which moves only during a sleep.
    await env.sleep('10 seconds');
    return !(await handle.describe()).raw.pendingActivities?.length;
  };
  await until('no activity is under way', resting);
  await handle.terminate();
  // The pause lasts until a minute after the start of the run, which asks for its watch a little later.
  const pauses = begun()
    .slice(1)
    .map((time, index) => time - (begun()[index] ?? 0));
  expect(Math.min(...pauses)).toBeGreaterThan(50_000);
});
