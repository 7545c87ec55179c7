// The limits for running sandboxes and for claims of work, with every part as a process of its own.
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { environmentWorkflowId, SLOTS_WORKFLOW_ID } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({
    workers: 2,
    graceSeconds: 0,
    // The service refuses one sandbox more than our limit, which no session may reach.
    switches: ['concurrent-sandboxes=1'],
    settings: async () => ({
      E2B_MAX_RUNNING_SANDBOXES: '1',
      E2B_MAX_STARTS_PER_SECOND: '20',
      ANTHROPIC_MAX_CLAIMS_PER_MINUTE: '30',
    }),
  });
});
afterAll(() => world?.close());

const activitiesOf = async (workflowId: string): Promise<string[]> => {
  const { events } = await world.temporal.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? [],
  );
};
const place = async (sessionId: string) => {
  try {
    const { phase, waitingAt } = await statusOf(world, sessionId);
    return phase === 'waiting for a sandbox' ? waitingAt : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
};

it('lets sessions over the limit wait in order, visibly, and serves them all', async () => {
  const first = await openSession(world);
  const turn = takeTurn(world.anthropic, first, commands('sleep 4; echo first'));
  await until('the first one has the sandbox', async () => {
    const described = await world.temporal.client.workflow
      .getHandle(SLOTS_WORKFLOW_ID)
      .describe()
      .catch(() => null);
    return described !== null;
  });
  const others: { id: string; turn: Promise<{ answer: string }> }[] = [];
  const served: string[] = [];
  for (const name of ['second', 'third']) {
    const id = await openSession(world);
    const answered = takeTurn(world.anthropic, id, commands(`echo ${name}`));
    others.push({ id, turn: answered.finally(() => served.push(name)) });
    await until(`the ${name} one waits`, async () => (await place(id)) === others.length);
  }
  expect((await turn).answer.trim()).toBe('first');
  const answers = await Promise.all(others.map((one) => one.turn));
  expect(answers.map(({ answer }) => answer.trim())).toEqual(['second', 'third']);
  expect(served).toEqual(['second', 'third']);
  // No session reached the limit of the service.
  for (const { id } of others) {
    const { events } = await workflowOf(world, id).fetchHistory();
    expect((events ?? []).filter((event) => event.activityTaskFailedEventAttributes)).toEqual([]);
  }
});

it('frees the slot of a session whose workflow was terminated', async () => {
  const holder = await openSession(world);
  await sendMessage(world.anthropic, holder, commands('sleep 300'));
  const sandboxId = await until('it has its sandbox', async () => {
    const status = await statusOf(world, holder).catch(() => null);
    return status?.openCalls[0]?.state === 'running' && status.sandboxId;
  });
  await workflowOf(world, holder).terminate('by a person');
  await world.Sandbox.kill(sandboxId);
  const next = await openSession(world);
  const { answer } = await takeTurn(world.anthropic, next, commands('echo next'));
  expect(answer.trim()).toBe('next');
});

it('claims no more often than allowed, however many webhooks arrive and workers run', async () => {
  const sessions = await Promise.all(Array.from({ length: 6 }, () => openSession(world)));
  await Promise.all(sessions.map((id) => sendMessage(world.anthropic, id, 'Only talk.')));
  for (const id of sessions)
    await until('it was served', async () => {
      const status = await statusOf(world, id).catch(() => null);
      return status?.phase === 'paused';
    });
  for (const id of sessions) expect(await activitiesOf(`session-${id}`)).not.toContain('claimWork');
  const { environmentId } = world.simulators.anthropic;
  const claims = (await activitiesOf(environmentWorkflowId(environmentId))).filter(
    (name) => name === 'claimWork',
  );
  const { startTime } = await world.temporal.client.workflow
    .getHandle(environmentWorkflowId(environmentId))
    .describe();
  const minutes = (Date.now() - startTime.getTime()) / 60_000;
  expect(claims.length).toBeGreaterThan(0);
  expect(claims.length).toBeLessThanOrEqual(1 + minutes * 30);
});
