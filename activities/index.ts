// All activities of a worker, made from the clients they use, so that tests can hand them others.
import { createAttend } from './attend.ts';
import type { Deps } from './deps.ts';
import { createReconcile } from './reconcile.ts';
import { createSandboxActivities } from './sandbox.ts';
import { createSessionActivities } from './session.ts';
import { createToolCallActivities } from './tool-calls.ts';
import { createWorkQueueActivities } from './work-queue.ts';

export type { Deps } from './deps.ts';

/** @returns the activities by name, for `Worker.create({ activities })` */
export function createActivities(deps: Deps) {
  return {
    ...createWorkQueueActivities(deps),
    ...createSessionActivities(deps),
    ...createAttend(deps),
    ...createSandboxActivities(deps),
    ...createToolCallActivities(deps),
    ...createReconcile(deps),
  };
}

export type Activities = ReturnType<typeof createActivities>;
