// Ends every crash test: all histories of its Temporal server must replay with the production bundle.
import { expect } from 'vitest';
import { readRuns, replayAll } from '../../chaos/histories.ts';
import type { World } from '../../harness/world.ts';
import { taskFailureOf } from '../../src/cli/sessions/history.ts';

/** Expects that every history of the world replays, and that no workflow task failed. @returns how many there are */
export async function replayHistories(world: World): Promise<number> {
  const runs = await readRuns(world.temporal.client);
  const failures = runs.flatMap(({ history }) =>
    (history.events ?? []).flatMap((event) => taskFailureOf(event) ?? []),
  );
  expect(failures.map(({ failure }) => failure?.message)).toEqual([]);
  expect((await replayAll(runs)).map(({ run, why }) => `${run.workflowId}: ${why}`)).toEqual([]);
  return runs.length;
}
