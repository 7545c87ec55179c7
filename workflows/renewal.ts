// When a workflow goes on in a new run, and on which build: a run is pinned to the build that it began with, the
// next one begins with the build that is current then.
import { makeContinueAsNewFunc, setHandler, type Workflow, workflowInfo } from '@temporalio/workflow';
import { buildChangedSignal } from './messages.ts';

/** Replaying an event costs about half a millisecond: this bounds a cold start to half a second. */
const HISTORY_BUDGET = 800;
/** At rest nothing is in flight: the cheapest moment to begin a new history. */
const HISTORY_BUDGET_AT_REST = 200;
/** A newer build is worth a new run; but should the new run not get it, no third one follows at once. */
const HISTORY_FOR_NEW_BUILD = 15;

/**
 * Registers the signal of a person who rolls out a build. Call it before the first await.
 * @param notify runs after the signal
 * @returns whether a new run is due because it would begin with a newer build: until all runs have moved, the old build's
 *   workers cannot be stopped. In the middle of a turn, a session's next call would wait for its new run: only a long
 *   turn is not left to end first
 */
export function watchBuild(notify: () => void = () => undefined): (inTurn?: boolean) => boolean {
  let asked = false;
  setHandler(buildChangedSignal, () => {
    asked = true;
    notify();
  });
  return (inTurn = false) => {
    const { historyLength, targetWorkerDeploymentVersionChanged } = workflowInfo();
    const least = asked ? 0 : HISTORY_FOR_NEW_BUILD;
    return targetWorkerDeploymentVersionChanged && historyLength > (inTurn ? HISTORY_BUDGET_AT_REST : least);
  };
}

/** @param working whether something is under way, so that a long history is put up with for longer */
export function historyIsLong(working: boolean): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return continueAsNewSuggested || historyLength > (working ? HISTORY_BUDGET : HISTORY_BUDGET_AT_REST);
}

/** Continues as new, on the current build where workers are versioned. */
export function renew<F extends Workflow>(...args: Parameters<F>): Promise<never> {
  const { currentDeploymentVersion, memo } = workflowInfo();
  return makeContinueAsNewFunc<F>({
    ...(currentDeploymentVersion ? { initialVersioningBehavior: 'AUTO_UPGRADE' as const } : {}),
    // A new run has the memo of the old one only if it is handed over.
    ...(memo ? { memo } : {}),
  })(...args);
}
