// The end of a turn: the session lets go of its work item and of its sandbox, in one activity.
import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import { restSession } from '../activity-policies.ts';
import { isFailed } from '../contract.ts';
import { inspectionRecorder, recordStop } from './actions.ts';
import { recordSandboxLost } from './sandbox.ts';
import { leave } from './sandbox-actions.ts';
import type { SessionState } from './state.ts';
import { dismissWatch } from './watch-state.ts';
import { recordInspectionFailure } from './work-item.ts';

/**
 * Stops the work item, then inspects the session: a turn that began while the item was stopped has no item, and perhaps no
 * webhook. Without such a turn the session's own sandbox is paused.
 * @returns whether a turn is under way; then the sandbox runs
 * @throws what no retry can help; what could be done is done and recorded
 */
export async function letGo(state: SessionState): Promise<boolean> {
  const { work, sandbox, share } = state;
  const { sessionId, environmentId } = state.start;
  const sandboxId = !share && sandbox.ready && sandbox.id;
  const args = {
    sessionId,
    environmentId,
    ...(work ? { workId: work.id } : {}),
    ...(work?.since === undefined ? {} : { heldSince: work.since }),
    ...(sandboxId ? { sandboxId } : {}),
  };
  const parts = [
    ...(work ? [`stop work item ${work.id}`] : []),
    `inspect ${sessionId}`,
    ...(sandboxId ? [`pause ${sandboxId} unless a turn has begun`] : []),
  ];
  const recordSeen = inspectionRecorder(state);
  if (work) {
    work.ending = true;
    // The inspection says what happens from now on: the item of a turn that begins may be another worker's.
    dismissWatch(state);
  }
  const rested = await restSession
    .executeWithOptions({ summary: parts.join(', ') }, [args])
    .catch((error: unknown) => {
      if (work && !isCancellation(error)) recordStop(state, work, 'lost');
      throw error;
    });
  if (work) recordStop(state, work, isFailed(rested.work) ? 'lost' : 'stopped');
  const { inspection } = rested;
  if (isFailed(inspection)) recordInspectionFailure(state, inspection.failed, Date.now());
  else recordSeen(inspection);
  if (rested.sandbox === 'lost') recordSandboxLost(state);
  if (rested.sandbox && rested.sandbox !== 'left running') await leave(state);
  const failed = [rested.work, inspection, rested.sandbox].find(isFailed);
  if (failed) throw ApplicationFailure.nonRetryable(failed.failed);
  return !isFailed(inspection) && inspection.live;
}
