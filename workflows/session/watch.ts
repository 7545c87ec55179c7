// Following a session's events while its work item is held: by a watch, or by a check now and then while people act.
import { ActivityFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import { shortCalls, watchSession } from '../activity-policies.ts';
import { stopWork } from './actions.ts';
import { knownCalls } from './calls.ts';
import type { SessionState } from './state.ts';
import { beginWatch, checkEveryMs, noteSeen, recordQuiet } from './watch-state.ts';
import { recordLeaseAnew, recordWorkEnded } from './work-item.ts';

type Work = NonNullable<SessionState['work']>;

/** What a watch goes on from, and a check. */
function watchArgs(state: SessionState, work: Work) {
  const { sessionId, environmentId } = state.start;
  const { id: workId, sealedSecret, lease } = work;
  const heldSince = work.since === undefined ? {} : { heldSince: work.since };
  const turn = state.turn.state;
  const known = knownCalls(state);
  return { sessionId, environmentId, workId, sealedSecret, lease, known, turn, ...heldSince };
}

export async function watch(state: SessionState): Promise<void> {
  const work = state.work;
  if (!work) return;
  delete state.moreCalls;
  delete state.watchAgain;
  const { graceMs } = state.start.settings;
  const from = state.settledAt ? { settledAt: state.settledAt } : {};
  const args = { ...watchArgs(state, work), ...from, graceMs, since: beginWatch(state, Date.now()) };
  try {
    const summary = `watch ${args.sessionId} and keep the lease on ${work.id}`;
    const ended = await watchSession.executeWithOptions({ summary }, [args]);
    if (ended.lease) work.lease = ended.lease;
    if (ended.why === 'session ended') {
      // The item is still ours: it is stopped when the session ends.
      state.end ??= 'terminated';
    } else if (ended.why === 'quiet') recordQuiet(state, ended.seen, Date.now());
    else if (ended.why !== 'recalled') await endLease(state, work, ended.why);
  } catch (error) {
    if (state.work !== work) return;
    // Recalled, or its worker died: we still hold the item, and the next watch goes on with it.
    if (isCancellation(error) || hasTimedOut(error)) return;
    recordWorkEnded(state, work.id, 'lost', Date.now());
    throw error;
  } finally {
    state.claimDue ||= state.work === null;
  }
}

/** Keeps the lease of a session that is not watched, and looks whether anything has happened. */
export async function check(state: SessionState): Promise<void> {
  const { work, unwatched } = state;
  if (!work || !unwatched) return;
  unwatched.checkAt = Date.now() + checkEveryMs(work.lease);
  try {
    const summary = `keep the lease on ${work.id}, check for news`;
    const args = { ...watchArgs(state, work), seen: state.seen ?? [] };
    const checked = await shortCalls.checkSession.executeWithOptions({ summary }, [args]);
    if (checked.lease) work.lease = checked.lease;
    if (checked.why) await endLease(state, work, checked.why);
    if (state.unwatched !== unwatched) return;
    if (checked.seen) noteSeen(state, checked.seen);
    if (checked.moved) delete state.unwatched;
  } catch (error) {
    // The watch finds out what is wrong.
    if (!isCancellation(error) && state.unwatched === unwatched) delete state.unwatched;
    throw error;
  }
}

async function endLease(
  state: SessionState,
  work: Work,
  why: 'lost' | 'stopping' | 'superseded',
): Promise<void> {
  // The next watch takes the lease back, and by then the other one knows that it was recalled.
  if (why === 'superseded') return;
  if (why === 'stopping') await stopWork(state, work);
  else if (state.work === work && work.offeredAgain) recordLeaseAnew(work);
  else recordWorkEnded(state, work.id, 'lost', Date.now());
}

function hasTimedOut(error: unknown): boolean {
  return error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
}
