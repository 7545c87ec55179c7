// Two builds of the worker at once: a run stays on its build, and the session's next run uses the current build.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { setCurrentBuild } from '../../harness/builds.ts';
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { buildChangedSignal, statusQuery } from '../../workflows/messages.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

let world: World;
beforeAll(async () => {
  const settings = { WORKER_BUILD_ID: 'one', E2B_MAX_RUNNING_SANDBOXES: '5', RECONCILE_SECONDS: '1' };
  world = await startTestWorld({ graceSeconds: 1, settings: async () => settings });
  await setCurrentBuild(world, 'one');
});
afterAll(() => world?.close());

function buildOf(sessionId: string): Promise<string | undefined> {
  return buildOfWorkflow(workflowOf(world, sessionId).workflowId);
}

const run = (command: string, sessionId: string) =>
  runCommand(['sessions', command, sessionId, '--timeout', '30s'], {
    TEMPORAL_ADDRESS: world.temporal.connection.options.address as string,
  });

async function buildOfWorkflow(workflowId: string): Promise<string | undefined> {
  const { raw } = await world.temporal.client.workflow.getHandle(workflowId).describe();
  return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
}

it('keeps each workflow on its build until it continues as new, and then leaves the old build', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo first > file'));
  expect(await buildOf(sessionId)).toBe('one');

  await world.addWorker({ WORKER_BUILD_ID: 'two' });
  await setCurrentBuild(world, 'two');
  const pinned = await workflowOf(world, sessionId).describe();
  expect((await run('pause', sessionId)).stdout).toMatch(/is paused/);
  expect((await run('resume', sessionId)).code).toBe(0);
  // The run on the old build has answered.
  const { events } = await workflowOf(world, sessionId, pinned.runId).fetchHistory();
  expect(events?.some((event) => event.workflowExecutionUpdateCompletedEventAttributes)).toBe(true);

  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat file'));
  expect(answer.trim()).toBe('first');
  await until('the session is on the new build', async () => (await buildOf(sessionId)) === 'two');

  const later = await openSession(world);
  await takeTurn(world.anthropic, later, commands('true'));
  expect(await buildOf(later)).toBe('two');

  // Nothing may stay on the old build: its workers will be stopped.
  const { slotsWorkflowId, environmentWorkflowId } = world.names;
  const others = [slotsWorkflowId, environmentWorkflowId(world.simulators.anthropic.environmentId)];
  for (const id of others)
    await until(`${id} is on the new build`, async () => {
      await takeTurn(world.anthropic, later, commands('true'));
      return (await buildOfWorkflow(id)) === 'two';
    });
}, 120_000);

it('moves workflows at rest to the new build when they are told that it has changed', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('true'));
  await until('the session is at rest', async () => {
    const { phase } = await workflowOf(world, sessionId).query(statusQuery);
    return phase === 'paused';
  });
  await world.addWorker({ WORKER_BUILD_ID: 'three' });
  await setCurrentBuild(world, 'three');

  const { sessionWorkflowId, slotsWorkflowId, environmentWorkflowId } = world.names;
  const { environmentId } = world.simulators.anthropic;
  const ids = [sessionWorkflowId(sessionId), slotsWorkflowId, environmentWorkflowId(environmentId)];
  // Temporal's server tells a workflow of another current build a moment after it was set.
  for (const id of ids)
    await until(`${id} is on the new build`, async () => {
      await world.temporal.client.workflow.getHandle(id).signal(buildChangedSignal);
      await sleep(500);
      return (await buildOfWorkflow(id)) === 'three';
    });
  // The session moved without a turn: nothing was asked of either service.
  const { events } = await workflowOf(world, sessionId).fetchHistory();
  expect(events?.filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
}, 120_000);

it('a command says which build has no worker', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('true'));
  expect(await buildOf(sessionId)).toBe('three');
  await world.workers[2]?.kill();
  // Temporal lists a killed worker until its last poll would have ended.
  const refused = await until(
    'the worker is not listed any more',
    async () => {
      const ran = await runCommand(['sessions', 'pause', sessionId, '--timeout', '2s'], {
        TEMPORAL_ADDRESS: world.temporal.connection.options.address as string,
      });
      return ran.code === 5 && ran;
    },
    180_000,
  );
  expect(refused.stderr).toMatch(/No worker of build three, on which it is pinned, polls task queue/);
}, 240_000);
