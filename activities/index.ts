// All activities of a worker, made from the clients they use, so that tests can hand them others.

import type { Activities } from '../workflows/contract.ts';
import { byEnvironment } from './by-environment.ts';
import type { Deps } from './deps.ts';
import { SkillArchives } from './equipment/skills.ts';
import { createCallHook } from './hook/call-hook.ts';
import { createMemoryActivities } from './memory/sync-memory.ts';
import { createCopyOutputs } from './outputs/copy-outputs.ts';
import { createReconcile } from './reconcile/reconcile.ts';
import { createFindEndedWorkflows } from './sandbox/find-ended-workflows.ts';
import { OpenSandboxes } from './sandbox/open-sandboxes.ts';
import { createSandboxActivities, pauseSandbox } from './sandbox/prepare-sandbox.ts';
import { createRequestSlot } from './sandbox/request-slot.ts';
import { createSharedSandboxActivities } from './sandbox/shared-sandbox.ts';
import { createCheckSession } from './session/check-session.ts';
import { createFindSession } from './session/find-session.ts';
import { createSessionActivities, inspectSession } from './session/inspect-session.ts';
import { createInterruptSession } from './session/interrupt-session.ts';
import { QuietListings } from './session/quiet-listings.ts';
import { createRestSession } from './session/rest-session.ts';
import { SessionViews } from './session/session-views.ts';
import { createWatchSession } from './session/watch-session.ts';
import { createPostKeptResult } from './tool-calls/post-kept-result.ts';
import { createToolCallActivities } from './tool-calls/run-tool-call.ts';
import { WorkClaims } from './work-queue/claim-work.ts';
import { createWorkQueueActivities, stopWork } from './work-queue/watch-queue.ts';

export type { Deps } from './deps.ts';
export { judgeOrphan, type OrphanVerdict, sandboxesOf } from './reconcile/orphans.ts';

/**
 * @param environments at least one
 * @returns the activities by name, for `Worker.create({ activities })`; without a hook none calls it
 */
export function createActivities(
  environments: readonly Deps[],
): Omit<Activities, 'callHook'> & Partial<Pick<Activities, 'callHook'>> {
  const views = new SessionViews();
  const listings = new QuietListings();
  const [first] = environments;
  if (!first) throw new Error('no environment to serve');
  const sandboxes = new OpenSandboxes(first.e2b, first.config.e2b.timeoutMs);
  const archives = new SkillArchives();
  const sets = new Map(
    environments.map((deps) => [
      deps.config.anthropic.environmentId,
      activitiesOf(deps, views, listings, sandboxes, archives),
    ]),
  );
  return {
    ...byEnvironment(sets),
    ...createFindSession(environments),
    ...createFindEndedWorkflows(first),
    ...(first.hook ? createCallHook(first.hook) : {}),
  };
}

/** Those of one environment. */
function activitiesOf(
  deps: Deps,
  views: SessionViews,
  listings: QuietListings,
  sandboxes: OpenSandboxes,
  archives: SkillArchives,
): Omit<Activities, 'findSession' | 'findEndedWorkflows' | 'callHook'> {
  const claims = new WorkClaims(deps);
  return {
    ...createWorkQueueActivities(claims, deps),
    ...createSessionActivities(deps),
    ...createWatchSession(deps, views, listings),
    ...createCheckSession(deps),
    ...createInterruptSession(deps),
    ...createSandboxActivities(deps, sandboxes, archives),
    ...createRestSession({
      stopWork: (item) => stopWork(claims, item),
      inspectSession: (args) => inspectSession(deps.anthropic.environment, args),
      pauseSandbox: ({ sandboxId }) => pauseSandbox(deps, sandboxes, sandboxId),
    }),
    ...createSharedSandboxActivities(deps, sandboxes, archives),
    ...createMemoryActivities(deps, sandboxes),
    ...createPostKeptResult(deps, sandboxes),
    ...createToolCallActivities(deps, sandboxes, views),
    ...createCopyOutputs(deps, sandboxes),
    ...createRequestSlot(deps),
    ...createReconcile(deps, sandboxes, claims),
  };
}
