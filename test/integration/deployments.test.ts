// Two deployments share a namespace: the task queues and workflow ids of the named one begin with its name, and it does
// not touch the default deployment.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf } from '../../harness/session-workflow.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { sessionWorkflowId } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

const NAME = 'router-staging';
let world: World;
beforeAll(async () => {
  world = await startTestWorld({
    deployment: NAME,
    switches: ['model-delay-ms=0'],
    // With limits, so that the workflows for slots and claims run too.
    settings: async () => ({ E2B_MAX_RUNNING_SANDBOXES: '5', ANTHROPIC_MAX_CLAIMS_PER_MINUTE: '600' }),
  });
});
afterAll(() => world?.close());

it('runs a turn with all workflows and activities on its own task queues', async () => {
  const { agentId: agent, environmentId: environment_id } = world.simulators.anthropic;
  const session = await world.anthropic.beta.sessions.create({ agent, environment_id });
  const text = script([bash('echo here'), bash('echo there')]);
  await world.anthropic.beta.sessions.events.send(session.id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text }] }],
  });
  await until('the calls are done', async () => {
    const status = await statusOf(world, session.id).catch(() => undefined);
    return (status?.callsDone ?? 0) >= 2;
  });

  const { workflow } = world.temporal.client;
  const ids: string[] = [];
  const queues = new Set<string>();
  for await (const { workflowId, taskQueue } of workflow.list()) {
    ids.push(workflowId);
    queues.add(taskQueue);
    const { events } = await workflow.getHandle(workflowId).fetchHistory();
    for (const event of events ?? []) {
      const queue = event.activityTaskScheduledEventAttributes?.taskQueue?.name;
      if (queue) queues.add(queue);
    }
  }
  expect(ids.sort()).toEqual(
    [`environment-${environment_id}`, 'sandbox-slots', `session-${session.id}`]
      .map((id) => `${NAME}.${id}`)
      .sort(),
  );
  expect([...queues].filter((queue) => queue !== NAME && !queue.startsWith(`${NAME}-`))).toEqual([]);
  expect(queues.size).toBeGreaterThan(3);
  await expect(workflow.getHandle(sessionWorkflowId(session.id)).describe()).rejects.toThrow('not found');
});
