// All activities of a worker, made from the clients they use, so that tests can hand them others.
import { createAttend } from './attend.ts';
import type { Deps } from './deps.ts';
import { OpenSandboxes } from './open-sandboxes.ts';
import { createReconcile } from './reconcile.ts';
import { createSandboxActivities } from './sandbox.ts';
import { createSessionActivities } from './session.ts';
import { SessionViews } from './session-views.ts';
import { createToolCallActivities } from './tool-calls.ts';
import { WorkClaims } from './work-claims.ts';
import { createWorkQueueActivities } from './work-queue.ts';

export type { Deps } from './deps.ts';

/** @returns the activities by name, for `Worker.create({ activities })` */
export function createActivities(deps: Deps) {
  const views = new SessionViews();
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const claims = new WorkClaims(deps);
  return {
    ...createWorkQueueActivities(claims),
    ...createSessionActivities(deps),
    ...createAttend(deps, views),
    ...createSandboxActivities(deps, sandboxes),
    ...createToolCallActivities(deps, sandboxes, views),
    ...createReconcile(deps, sandboxes, claims),
  };
}

export type Activities = ReturnType<typeof createActivities>;
