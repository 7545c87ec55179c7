// The work item of a session, and what an inspection finds out while there is none. Pure, like state.ts.
import { settleTurn } from '../attention.ts';
import {
  type OpenCall,
  type SessionEnvironment,
  type ToolCallsClosed,
  type WorkClaimed,
  workIdOf,
} from '../messages.ts';
import { recordCallsClosed, recordCallsRequested } from './calls.ts';
import { hasMemoryToken, recordMemoryTurnOver } from './memory.ts';
import { INSPECT_SOON_MS, remember, type SessionState } from './state.ts';

const STOPPED_WORK_KEPT = 32;
/** A session with calls but no work item is inspected after this long, then at growing intervals. */
export const INSPECT_FIRST_MS = 30_000;
const INSPECT_LAST_MS = 300_000;

/** A look at the session: `orphanedCalls` are unanswered calls that no work item covers. */
export interface Look {
  ours: boolean;
  agentId?: string;
  live: boolean;
  ended: string | null;
  orphanedCalls: OpenCall[];
  closed?: ToolCallsClosed[];
  waiting?: boolean;
  /** Its environment, if the workflow did not know it. */
  start?: SessionEnvironment;
}

export function recordWorkClaimed(state: SessionState, work: WorkClaimed, now: number): void {
  // A repeated or late message about an item that is held or was stopped says nothing new. An item whose
  // lease was lost may come back under the same id, so only stopped ones are remembered.
  if (state.stoppedWork.includes(work.workId)) return;
  if (state.work?.id === work.workId) {
    state.work.offeredAgain = true;
    return;
  }
  state.ours = true;
  // Settings may have changed since the session began.
  Object.assign(state.start, work.start);
  // The events will tell what a webhook would.
  state.claimDue = false;
  state.expecting = false;
  state.inspectionDue = null;
  // A secret that was sealed for another item is useless, and not from us.
  const sealedSecret = workIdOf(work.sealedSecret ?? '') === work.workId ? work.sealedSecret : null;
  state.work = { id: work.workId, sealedSecret, lease: null, since: now };
  delete state.unwatched;
  for (const call of state.calls) delete call.orphaned;
  if (state.turn.state === 'idle') state.turns += 1;
  state.turn = { state: 'running', reason: 'work claimed', since: now };
  state.sandbox.failure = null;
  state.lastUsed = now;
  if (state.memory) state.memory.due = 'sync';
}

/** The work item is no longer ours; `stopped` items never come back, lost ones may. */
export function recordWorkEnded(
  state: SessionState,
  workId: string,
  how: 'stopped' | 'lost',
  now: number,
): void {
  if (how === 'stopped') remember(state.stoppedWork, workId, STOPPED_WORK_KEPT);
  // Another item may have arrived while this one was stopped.
  if (state.work?.id !== workId) return;
  state.work = null;
  delete state.unwatched;
  // Unwatched from here on: counted as idle until a new item comes, so that the grace runs and a look follows.
  state.turn = { state: 'idle', reason: `work item ${how}`, since: now };
  // No item may follow for calls that wait for a person, so the session is inspected.
  if (state.calls.length > 0 || state.moreCalls)
    state.inspectionDue ??= { at: now + INSPECT_FIRST_MS, tries: 0 };
}

/** The lease was lost, and the item is ours again: the next watch opens it as if for the first time. */
export function recordLeaseAnew(work: NonNullable<SessionState['work']>): void {
  work.lease = null;
  delete work.offeredAgain;
}

/**
 * What the service says about the session. If a work item arrived meanwhile, trust it over this answer.
 * @param againMs after this long a turn without a work item is inspected again, then at growing intervals
 * @param overtaken a webhook came meanwhile, perhaps about a turn that began, or a call that was made, after this answer
 */
export function recordInspection(
  state: SessionState,
  seen: Look,
  now: number,
  againMs = INSPECT_FIRST_MS,
  overtaken = false,
): void {
  state.ours = state.ours === true || seen.ours === true;
  Object.assign(state.start, seen.start);
  if (seen.agentId) state.agentId = seen.agentId;
  if (seen.ended) state.end = seen.ended;
  if (state.work) return;
  if (!seen.live) {
    if (overtaken) return;
    state.expecting = false;
    state.inspectionDue = null;
    if (state.turn.state !== 'idle') state.turn = { state: 'idle', reason: 'seen idle', since: now };
    if (hasMemoryToken(state)) recordMemoryTurnOver(state);
    settleTurn(state);
    return;
  }
  const moves = seen.orphanedCalls.some(({ id }) => !state.calls.some((call) => call.id === id));
  const tries = moves ? -1 : (state.inspectionDue?.tries ?? -1) + 1;
  const wait = moves ? INSPECT_SOON_MS : Math.min(INSPECT_LAST_MS, againMs * 2 ** tries);
  const at = overtaken ? now : now + wait;
  state.inspectionDue = { at, tries, ...(seen.waiting ? { waiting: true } : {}) };
  for (const closed of seen.closed ?? []) recordCallsClosed(state, closed);
  delete state.moreCalls;
  const orphanedCalls = seen.orphanedCalls.map((call) => ({ ...call, orphaned: true }));
  if (orphanedCalls.length > 0) recordCallsRequested(state, orphanedCalls, now);
}

/** A session that was never seen is given up; a known session is inspected again later. */
export function recordInspectionFailure(state: SessionState, reason: string, now: number): void {
  if (state.ours === null) state.end = `cannot be looked at: ${reason}`;
  if (state.inspectionDue) state.inspectionDue.at = now + INSPECT_LAST_MS;
}
