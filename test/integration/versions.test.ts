// Builds of the worker side by side: a run stays with its build, the next run of a session takes the current one.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { TASK_QUEUE } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 1, settings: async () => ({ WORKER_BUILD_ID: 'one' }) });
  await setCurrent('one');
});
afterAll(() => world?.close());

/** What `temporal worker deployment set-current-version` does, once the server knows the build. */
async function setCurrent(buildId: string): Promise<void> {
  const { workflowService } = world.temporal.connection;
  const request = { namespace: 'default', deploymentName: TASK_QUEUE, buildId, identity: 'test' };
  await until(`${buildId} is the current version`, () =>
    workflowService.setWorkerDeploymentCurrentVersion(request).then(
      () => true,
      () => false,
    ),
  );
}

async function buildOf(sessionId: string): Promise<string | undefined> {
  const { raw } = await workflowOf(world, sessionId).describe();
  return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
}

it('serves a session on its build, and moves it when it is renewed', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo first > file'));
  expect(await buildOf(sessionId)).toBe('one');

  await world.addWorker({ WORKER_BUILD_ID: 'two' });
  await setCurrent('two');
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat file'));
  expect(answer.trim()).toBe('first');
  await until('the session is on the new build', async () => (await buildOf(sessionId)) === 'two');

  const later = await openSession(world);
  await takeTurn(world.anthropic, later, commands('true'));
  expect(await buildOf(later)).toBe('two');
}, 120_000);
