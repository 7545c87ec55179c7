// The queue for running sandboxes, from the production bundle on a server that skips the waiting: it serves whatever
// else goes on.
import { setTimeout } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import {
  SANDBOX_WORKFLOW,
  SLOTS_WORKFLOW,
  slotRequestedSignal,
  slotReturnedSignal,
  TASK_QUEUE,
} from '../../../workflows/messages.ts';
import { startSkippingWorld } from '../skipping-world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let env: TestWorkflowEnvironment;
let close: () => Promise<void>;
const looks: Promise<never>[] = [];

beforeAll(async () => {
  // Never says who has ended, as on a server that is slow, or in a worker that died.
  const findEndedWorkflows = () => {
    const never = Context.current().cancelled;
    looks.push(never);
    return never;
  };
  ({ env, close } = await startSkippingWorld(() => ({ findEndedWorkflows }), { shutdownForceTime: '1s' }));
});
afterAll(() => close?.());

/** One slot, and workflows to which slots and positions may be announced. */
async function queueFor(name: string, count: number) {
  const { workflow } = env.client;
  const holders = Array.from({ length: count }, (_, index) => `${name}-${index}`);
  // Any workflow that lives will do.
  const start = { environmentId: 'env_1', settings: { retentionMs: 3_600_000 } };
  const startHolder = (workflowId: string) =>
    workflow.start(SANDBOX_WORKFLOW, {
      workflowId,
      taskQueue: TASK_QUEUE,
      args: [{ ...start, key: workflowId }],
    });
  await Promise.all(holders.map(startHolder));
  const queue = await workflow.start(SLOTS_WORKFLOW, { workflowId: `slots-${name}`, taskQueue: TASK_QUEUE });
  const limits = { running: 1, startsPerSecond: 0 };
  for (const holder of holders)
    await queue.signal(slotRequestedSignal, { holder, environmentId: 'env_1', limits, environmentLimit: 0 });
  const toldTo = async (holder: string) => {
    const { events } = await workflow.getHandle(holder).fetchHistory();
    return (events ?? []).flatMap(
      (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
    );
  };
  return { queue, holders, toldTo };
}

it('gives a place away while it is not known yet who has ended', async () => {
  const { queue, toldTo } = await queueFor('slow', 2);
  await until('the second one waits', async () => (await toldTo('slow-1')).includes('slotQueued'));
  await env.sleep('16 seconds');
  await until('it asks who has ended', async () => looks.length > 0);
  await queue.signal(slotReturnedSignal, { holder: 'slow-0' });
  await until('the second one has the place', async () => (await toldTo('slow-1')).includes('slotGranted'));
  await queue.terminate();
});

it('tells all whose place has changed at once', async () => {
  const { queue, holders, toldTo } = await queueFor('many', 11);
  await until('the last one waits', async () => (await toldTo('many-10')).includes('slotQueued'));
  const told = async () => {
    const { events } = await queue.fetchHistory();
    // The event of the task that decided on it, of each message.
    return (events ?? []).flatMap(
      (event) =>
        event.signalExternalWorkflowExecutionInitiatedEventAttributes?.workflowTaskCompletedEventId ?? [],
    );
  };
  const before = (await told()).length;
  await queue.signal(slotReturnedSignal, { holder: holders[0] ?? '' });
  await until('all are told', async () => (await told()).length === before + 10);
  expect(new Set((await told()).slice(before).map(String)).size).toBe(1);
  await queue.terminate();
});

it('goes on in a new run while it is asked, and only when everybody is told', async () => {
  const { queue, holders } = await queueFor('long', 1);
  const limits = { running: 1, startsPerSecond: 0 };
  const wanted = { holder: holders[0] ?? '', environmentId: 'env_1', limits, environmentLimit: 0 };
  const first = env.client.workflow.getHandle(queue.workflowId, queue.firstExecutionRunId);
  const isContinued = async () => (await first.describe()).status.name === 'CONTINUED_AS_NEW';
  let asked = 0;
  // The server lets no run end while messages come faster than it can be replayed.
  while (!(await isContinued())) {
    await Promise.all(Array.from({ length: 50 }, () => queue.signal(slotRequestedSignal, wanted)));
    asked += 50;
    await setTimeout(200);
  }
  const { events } = await first.fetchHistory();
  const told = (events ?? []).filter(
    (event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes,
  );
  const heard = (events ?? []).filter((event) => event.externalWorkflowExecutionSignaledEventAttributes);
  expect(heard.length).toBe(told.length);
  expect(told.length).toBeLessThan(asked / 2);
  await queue.terminate();
});
