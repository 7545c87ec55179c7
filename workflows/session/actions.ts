// What each step of a session does: one activity with its summary, and its outcome recorded in the state. The steps that
// prepare, pause and kill sandboxes are in sandbox-actions.ts.
import { getExternalWorkflowHandle, isCancellation, workflowInfo } from '@temporalio/workflow';
import {
  memorySync,
  outputCopies,
  resultPosting,
  shortCalls,
  toolCalls,
  urgentCalls,
} from '../activity-policies.ts';
import { recordCopied } from '../attention.ts';
import type { CallResult } from '../contract.ts';
import { reasonOf } from '../failure-reason.ts';
import { claimRequestedSignal, namesOf } from '../messages.ts';
import { callFailed, errorResult, SANDBOX_LOST } from '../model-notices.ts';
import { takeSlot } from '../sandbox-slots/holder.ts';
import { knownCalls, recordCallDone, recordPosted, recordUnposted } from './calls.ts';
import { memoryUnavailable, recordMemorySynced, recordMemoryTurnOver, recordMemoryUsed } from './memory.ts';
import { hasOutputsToCopy } from './next-step.ts';
import { recordRefused } from './operator.ts';
import { recordModelNotified } from './sandbox.ts';
import { loseSandbox } from './sandbox-actions.ts';
import { type Call, INSPECT_SOON_MS, type SessionState } from './state.ts';
import { dismissWatch } from './watch-state.ts';
import {
  INSPECT_FIRST_MS,
  type Look,
  recordInspection,
  recordInspectionFailure,
  recordWorkEnded,
} from './work-item.ts';

/** Outcomes of a call that the sandbox's journal holds. */
const RAN = new Set(['done', 'failed', 'unposted', 'replaced']);

/**
 * @param orphanedCalls whether calls that no work item covers are listed. At the first inspection of a session they are
 * not: a claim follows, which may still find the item that covers them
 * @returns whether a turn is under way
 */
export async function look(
  state: SessionState,
  orphanedCalls = state.inspectionDue !== null,
): Promise<boolean> {
  const { sessionId, environmentId } = state.start;
  const summary = `inspect ${sessionId}: whose is it, and is a turn under way?`;
  const record = inspectionRecorder(state);
  try {
    const args = { sessionId, environmentId, orphanedCalls, known: knownCalls(state) };
    const seen = environmentId
      ? await shortCalls.inspectSession.executeWithOptions({ summary }, [args])
      : await shortCalls.findSession.executeWithOptions({ summary }, [{ sessionId }]);
    record(seen);
    return seen.live;
  } catch (error) {
    if (!isCancellation(error)) recordInspectionFailure(state, reasonOf(error), Date.now());
    throw error;
  }
}

/** Call it before the inspection. @returns records what the inspection has found */
export function inspectionRecorder(state: SessionState): (seen: Look) => void {
  const dueAt = state.inspectionDue?.at;
  return (seen) => {
    // A turn that began just as the last item was stopped has no item: nothing but this inspection finds it.
    const soon = seen.live && !state.work;
    const overtaken = seen.live ? dueAt !== undefined && dueAt !== state.inspectionDue?.at : state.claimDue;
    recordInspection(state, seen, Date.now(), soon ? INSPECT_SOON_MS : INSPECT_FIRST_MS, overtaken);
  };
}

export async function claim(state: SessionState): Promise<void> {
  state.claimDue = false;
  const { environmentId, settings } = state.start;
  if (settings.claimsPerMinute && (await askForClaim(environmentId, settings.claimsPerMinute))) return;
  const claimed = await shortCalls.claimWork.executeWithOptions({ summary: 'claim work from the queue' }, [
    { environmentId },
  ]);
  // The turn waits in the queue: no sandbox is made ready for it.
  if (claimed?.drained) state.expecting = false;
}

/** @returns whether the environment's workflow was there to be asked */
async function askForClaim(environmentId: string, perMinute: number): Promise<boolean> {
  try {
    const environment = getExternalWorkflowHandle(
      namesOf(workflowInfo().taskQueue).environmentWorkflowId(environmentId),
    );
    await environment.signal(claimRequestedSignal, { perMinute });
    return true;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return false;
  }
}

/** Where it fails, calls go on without memory, and the status shows it. */
export async function sync(state: SessionState): Promise<void> {
  const { memory: mounted, sandbox, start } = state;
  if (!mounted || !sandbox.id) return;
  const last = mounted.due === 'last';
  const args = {
    sessionId: start.sessionId,
    environmentId: start.environmentId,
    sandboxId: sandbox.id,
    sealedSecret: (state.work ?? mounted).sealedSecret ?? null,
    stores: mounted.stores,
    last,
  };
  const summary = `sync ${mounted.stores.length} memory stores`;
  try {
    const synced = await memorySync.syncMemory.executeWithOptions({ summary }, [args]);
    if (synced.outcome === 'sandbox lost') return await loseSandbox(state, args.sandboxId);
    const result = synced.outcome === 'synced' ? synced : { unavailable: synced.reason };
    recordMemorySynced(state, last, result, Date.now());
  } catch (error) {
    if (isCancellation(error)) throw error;
    recordMemorySynced(state, last, { unavailable: reasonOf(error) }, Date.now());
  }
}

export async function run(state: SessionState, call: Call): Promise<void> {
  call.state = 'running';
  const unavailable = memoryUnavailable(state);
  const { modelNotice } = state.sandbox;
  const args = {
    sessionId: state.start.sessionId,
    environmentId: state.start.environmentId,
    sandboxId: state.sandbox.id ?? '',
    call: {
      id: call.id,
      name: call.name,
      ...(call.threadId ? { threadId: call.threadId } : {}),
      ...(call.orphaned ? { orphaned: true } : {}),
      ...(call.repost ? { repost: true } : {}),
    },
    sealedSecret: state.work?.sealedSecret ?? null,
    ...(state.work ? { workId: state.work.id } : {}),
    ...(modelNotice ? { modelNotice } : {}),
    ...(unavailable ? { memoryUnavailable: unavailable } : {}),
    ...(state.outputs ? { outputsSeen: state.outputs.mark } : {}),
  };
  const now = () => Date.now();
  try {
    const ran = await toolCalls.runToolCall.executeWithOptions({ summary: `${call.name}: ${call.preview}` }, [
      args,
    ]);
    if (ran.retried) state.watchAgain = true;
    if (RAN.has(ran.outcome)) state.sandbox.lastCall = call.id;
    if (ran.outputs) state.outputs = ran.outputs;
    recordMemoryUsed(state, now());
    // Signals are handled before the answers of activities that come with them: the turn may be over by now.
    if (state.memory && state.turn.state === 'idle') recordMemoryTurnOver(state);
    if (ran.outcome === 'sandbox lost') {
      await loseSandbox(state, args.sandboxId);
      if (ran.started) recordUnposted(state, call.id, errorResult(SANDBOX_LOST), now());
      else call.state = 'open';
    } else if (ran.outcome === 'unposted') {
      recordUnposted(state, call.id, ran.result, now());
    } else {
      if (ran.outcome === 'done' || ran.outcome === 'failed') recordModelNotified(state);
      recordPosted(state, call, ran, call.closed ?? ran.outcome, now());
    }
  } catch (error) {
    if (!isCancellation(error))
      recordUnposted(state, call.id, errorResult(callFailed(reasonOf(error))), now());
    throw error;
  }
}

export async function cancel(state: SessionState, call: Call): Promise<void> {
  const { environmentId } = state.start;
  const summary = `${call.closed}: cancel ${call.name}`;
  if (state.sandbox.id) {
    const args = { environmentId, sandboxId: state.sandbox.id, callId: call.id };
    await urgentCalls.cancelToolCall.executeWithOptions({ summary }, [args]);
  }
  call.cancelled = true;
}

export async function post(state: SessionState, call: Call): Promise<void> {
  const result = call.result as CallResult;
  const { sessionId, environmentId } = state.start;
  const sealedSecret = state.work?.sealedSecret ?? null;
  const work = state.work ? { workId: state.work.id } : {};
  const args = { sessionId, environmentId, callId: call.id, result, sealedSecret, ...work };
  try {
    const posted = await resultPosting.postResult.executeWithOptions(
      { summary: `post the result of ${call.name}` },
      [args],
    );
    const outcome = posted.outcome === 'accepted' ? 'posted later' : posted.outcome;
    recordPosted(state, call, posted, outcome, Date.now());
  } catch (error) {
    if (!isCancellation(error)) {
      recordRefused(state, call);
      recordCallDone(state, call.id, `not posted: ${reasonOf(error)}`);
    }
    throw error;
  }
}

export async function stopWork(state: SessionState, work = state.work): Promise<void> {
  if (!work) return;
  const { sessionId, environmentId } = state.start;
  const since = work.since === undefined ? {} : { heldSince: work.since };
  const args = { sessionId, environmentId, workId: work.id, ...since };
  try {
    await shortCalls.stopWork.executeWithOptions({ summary: `stop work item ${work.id}` }, [args]);
    recordStop(state, work, 'stopped');
  } catch (error) {
    recordStop(state, work, 'lost');
    throw error;
  }
}

/** @param how `lost`: its lease lapses and the queue offers it again; then it can be stopped */
export function recordStop(
  state: SessionState,
  work: NonNullable<SessionState['work']>,
  how: 'stopped' | 'lost',
): void {
  recordWorkEnded(state, work.id, how, Date.now());
  dismissWatch(state);
  // A turn may have begun while it was stopped: no item comes for that one.
  if (state.memory) state.memory.sealedSecret = work.sealedSecret;
}

/**
 * Copies the outputs of the session, where that is configured. The status shows what could not be copied.
 * @returns whether anything may have been copied
 */
export async function copyOutputs(state: SessionState): Promise<boolean> {
  const { sessionId, environmentId, settings } = state.start;
  const { id } = state.sandbox;
  if (!id || !hasOutputsToCopy(state)) return false;
  const args = { sessionId, environmentId, sandboxId: id };
  try {
    if (settings.limited) await takeSlot(state, environmentId, () => true);
    const summary = `copy the outputs of ${id}`;
    const copied = await outputCopies.copyOutputs.executeWithOptions({ summary }, [args]);
    recordCopied(state, copied, Date.now());
  } catch (error) {
    if (isCancellation(error)) throw error;
    recordCopied(state, { outcome: 'copied', problems: [reasonOf(error)] }, Date.now());
  }
  return true;
}
