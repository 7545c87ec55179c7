// What every crash test ends with: the histories of its world replay with the production bundle.
import { Worker } from '@temporalio/worker';
import { expect } from 'vitest';
import type { World } from '../../demo/world.ts';
import { projectPath } from '../../src/paths.ts';
import { quietTemporal } from '../quiet-temporal.ts';

quietTemporal();

const workflowBundle = { codePath: projectPath('dist/workflow-bundle.js') };

/** Expects that every history of the world replays, and that no workflow task failed. @returns how many there are */
export async function replayHistories(world: World): Promise<number> {
  const { workflow } = world.temporal.client;
  let replayed = 0;
  for await (const { workflowId, runId } of workflow.list()) {
    const history = await workflow.getHandle(workflowId, runId).fetchHistory();
    const failed = history.events?.filter((event) => event.workflowTaskFailedEventAttributes) ?? [];
    expect(failed.map((event) => event.workflowTaskFailedEventAttributes?.failure?.message)).toEqual([]);
    await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
    replayed += 1;
  }
  return replayed;
}
