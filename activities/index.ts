// All activities of a worker, made from the clients they use, so that tests can hand them others.
import { createAttend } from './attend.ts';
import { type ByEnvironment, byEnvironment } from './by-environment.ts';
import { createCopyOutputs } from './copy-outputs.ts';
import type { Deps } from './deps.ts';
import { createFindSession } from './find-session.ts';
import { createMemoryActivities } from './memory-sync.ts';
import { OpenSandboxes } from './open-sandboxes.ts';
import { createReconcile } from './reconcile.ts';
import { createSandboxActivities } from './sandbox.ts';
import { createSessionActivities } from './session.ts';
import { SessionViews } from './session-views.ts';
import { createSharedSandboxActivities } from './shared-sandbox.ts';
import { SkillArchives } from './skills.ts';
import { createFindEnded, createSlotActivities } from './slots.ts';
import { createToolCallActivities } from './tool-calls.ts';
import { WorkClaims } from './work-claims.ts';
import { createWorkQueueActivities } from './work-queue.ts';

export type { Deps } from './deps.ts';

/**
 * @param environments at least one
 * @returns the activities by name, for `Worker.create({ activities })`
 */
export function createActivities(environments: readonly Deps[]) {
  const views = new SessionViews();
  const [first] = environments;
  if (!first) throw new Error('no environment to serve');
  const sandboxes = new OpenSandboxes(first.e2b, first.config.e2b.timeoutMs);
  const archives = new SkillArchives();
  const sets = new Map(
    environments.map((deps) => [
      deps.config.anthropic.environmentId,
      activitiesOf(deps, views, sandboxes, archives),
    ]),
  );
  const activities: ByEnvironment<ReturnType<typeof activitiesOf>> = byEnvironment(sets);
  return { ...activities, ...createFindSession(environments), ...createFindEnded(first) };
}

/** Those of one environment. */
function activitiesOf(deps: Deps, views: SessionViews, sandboxes: OpenSandboxes, archives: SkillArchives) {
  const claims = new WorkClaims(deps);
  return {
    ...createWorkQueueActivities(claims),
    ...createSessionActivities(deps),
    ...createAttend(deps, views),
    ...createSandboxActivities(deps, sandboxes, archives),
    ...createSharedSandboxActivities(deps, sandboxes, archives),
    ...createMemoryActivities(deps, sandboxes),
    ...createToolCallActivities(deps, sandboxes, views),
    ...createCopyOutputs(deps, sandboxes),
    ...createSlotActivities(deps),
    ...createReconcile(deps, sandboxes, claims),
  };
}

export type Activities = ReturnType<typeof createActivities>;
