// Whether a session makes progress. One that should and has made none for a set time is stuck: it needs a person's
// attention. The reconcile repairs what it finds by itself; only this says that nothing has helped.
import { condition } from '@temporalio/workflow';
import { raise, settle } from '../attention.ts';
import type { SessionState } from './state.ts';

/** Raises the attention `stuck` when its time has come, for as long as the workflow runs. */
export async function raiseWhenStuck(state: SessionState, notify: () => void): Promise<never> {
  for (;;) {
    await condition(() => stuckAt(state) !== null);
    const deadline = stuckAt(state) ?? 0;
    const waitMs = Math.max(1, deadline - Date.now());
    // What makes the deadline later leaves the timer, and so does a rest: many turns cost one timer. A work item may bring
    // settings that make it earlier.
    const summary = 'until the session counts as stuck';
    const isEarlier = () => (stuckAt(state) ?? Number.POSITIVE_INFINITY) < deadline;
    const settled = await condition(isEarlier, waitMs, { summary });
    if (!settled && recordStuck(state, Date.now())) notify();
  }
}

/** Notes how far the session is. Progress, and rest, settle the attention. */
export function recordProgress(state: SessionState, now: number): void {
  if (!isProgressExpected(state)) {
    delete state.progress;
    settle(state, 'stuck');
    return;
  }
  const mark = markOf(state);
  if (state.progress?.mark === mark) return;
  state.progress = { mark, since: now };
  settle(state, 'stuck');
}

/** @returns whether it is stuck: its deadline may have moved */
export function recordStuck(state: SessionState, now: number): boolean {
  const at = stuckAt(state);
  if (at === null || now < at || !state.progress) return false;
  const minutes = Math.round((now - state.progress.since) / 60_000);
  const text =
    `No call was answered and no turn ended for ${minutes} min, although the session waits for no person: ` +
    `"managed-agents-router sessions show ${state.start.sessionId}" says what it waits for`;
  raise(state, 'stuck', text, state.progress.since);
  return true;
}

/** Epoch ms; null where the session rests, waits for people, is known to be stuck, or the setting is off. */
export function stuckAt(state: SessionState): number | null {
  const { stuckMs } = state.start.settings;
  const isOn = typeof stuckMs === 'number' && stuckMs > 0;
  if (!isOn || !state.progress || state.attention.stuck || !isProgressExpected(state)) return null;
  return state.progress.since + stuckMs;
}

/** Whether something has to happen without a person: a call is to be run or posted, the model is at work, a turn begins. */
function isProgressExpected(state: SessionState): boolean {
  const { end, paused, calls, turn, claimDue, expecting, inspectionDue } = state;
  if (end || paused) return false;
  if (calls.length > 0) return calls.some((call) => call.state !== 'open' || !call.awaitingApproval);
  if (turn.state === 'waiting') return false;
  if (turn.state === 'running' || claimDue || expecting) return true;
  return inspectionDue !== null && !inspectionDue.waiting;
}

/** Differs after progress: a call asked for, approved or answered, or a turn ended. Work items and signals are none. */
function markOf({ calls, callsDone, turnEnded }: SessionState): string {
  const approvals = calls.filter((call) => call.awaitingApproval).length;
  return `${callsDone} ${callsDone + calls.length} ${approvals} ${turnEnded ?? ''}`;
}
