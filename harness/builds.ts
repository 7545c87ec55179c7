// Builds of the worker as versions of the router's Worker Deployment.
import { until } from './until.ts';
import type { World } from './world.ts';

/** Does the same as `temporal worker deployment set-current-version`, once the server knows the build. */
export async function setCurrentBuild(world: World, buildId: string): Promise<void> {
  const { workflowService } = world.temporal.connection;
  const { namespace, names } = world;
  const request = { namespace, deploymentName: names.taskQueue, buildId, identity: 'test' };
  await until(`${buildId} is the current version`, () =>
    workflowService.setWorkerDeploymentCurrentVersion(request).then(
      () => true,
      () => false,
    ),
  );
}

/** Number of running workflows that are pinned to the build. */
export async function countOnBuild(world: World, buildId: string): Promise<number> {
  const version = `${world.names.taskQueue}:${buildId}`;
  const query = `TemporalWorkerDeploymentVersion = '${version}' AND ExecutionStatus = 'Running'`;
  return (await world.temporal.client.workflow.count(query)).count;
}
