// Two builds of the worker at once: a run stays on its build, and the session's next run uses the current build.
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

/** Does the same as `temporal worker deployment set-current-version`, once the server knows the build. */
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

it('keeps a session on its build until its workflow continues as new', async () => {
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
