// What a session's workflow does next, decided from its state alone. One step at a time, in order of urgency.
import { Pace } from '../pace.ts';
import type { Phase } from '../search-attributes.ts';
import { hasMemoryToken } from './memory.ts';
import { type Call, OPEN_CALLS_KEPT, type SessionState, UNPOSTED_KEPT } from './state.ts';

export const RETENTION_OVER = 'unused past its retention';

/** Work under way in this run; what may go on side by side has a flag of its own. */
export type Action =
  | 'look'
  | 'claim'
  | 'prepare'
  | 'watch'
  | 'check'
  | 'sync'
  | 'run'
  | 'cancel'
  | 'post'
  | 'interrupt'
  | 'copy';
export type Busy = Readonly<Record<Action, boolean>>;

export type Step =
  | { do: 'end'; reason: string }
  | { do: 'cancel'; call: Call }
  | { do: 'look' | 'claim' | 'watch' | 'check' | 'prepare' | 'sync' | 'interrupt' }
  /** The outputs in a sandbox that a person wants replaced are copied first. */
  | { do: 'copy' }
  | { do: 'run' | 'post'; call: Call }
  /** The turn is over: stop the work item, inspect the session once more, pause the sandbox. */
  | { do: 'rest' }
  /** The turn waits for an approval or another client: pause the sandbox. */
  | { do: 'pause' }
  /** A person wants another sandbox. */
  | { do: 'replace' }
  /** A person wants results to be posted now: a post that waits for its next attempt begins anew. */
  | { do: 'post again' }
  /** There is room for calls that the watch reported when there was none: a new watch reports them again. */
  | { do: 'watch again' }
  /** History is long and nothing but the watch is in flight. */
  | { do: 'renew' }
  /** Until a message comes, an activity ends, or (epoch ms) the time is up. */
  | { do: 'wait'; until: number | null; why: string };

/** @param renew the run's history is long: start nothing new, continue as new as soon as nothing is in flight */
export function nextStep(state: SessionState, busy: Busy, now: number, renew: boolean): Step {
  const step = decide(state, busy, now, renew);
  if (step.do !== 'wait') return step;
  // A time that has passed belongs to a step that is under way or put off: waiting for it would spin.
  const moments: [number | null | undefined, string][] = [
    [step.until, step.why],
    [busy.check ? null : state.unwatched?.checkAt, 'until the next check of the session'],
    [paceOf(state).nextPauseEnds(now), 'pause before a step is repeated'],
  ];
  let next: { until: number | null; why: string } = { until: null, why: step.why };
  for (const [until, why] of moments)
    if (until && until > now && until < (next.until ?? Number.POSITIVE_INFINITY)) next = { until, why };
  return { do: 'wait', ...next };
}

/**
 * Progress is a call answered, or a turn ended by an event that was not seen before. Messages are none: a work item
 * that is lost and offered again brings one each time.
 */
export function paceOf(state: SessionState): Pace {
  return new Pace(state, () => `${state.callsDone} ${state.turnEnded ?? ''}`);
}

function decide(state: SessionState, busy: Busy, now: number, renew: boolean): Step {
  const pace = paceOf(state);
  const may = (step: Step['do']) => pace.may(step, now);
  if (state.end) return { do: 'end', reason: state.end };
  if (state.ours === false) return { do: 'end', reason: 'session of another environment' };

  const running = state.calls.find((call) => call.state === 'running');
  if (running?.closed && !running.cancelled && busy.run && !busy.cancel && may('cancel'))
    return { do: 'cancel', call: running };

  if (state.wishes?.interrupt && state.start.environmentId && !busy.interrupt) return { do: 'interrupt' };
  const replace = state.wishes?.replace;
  if (replace && (!running || replace.force)) {
    if (replace.force || replace.copied || !hasOutputsToCopy(state)) return { do: 'replace' };
    if (!busy.copy) return { do: 'copy' };
  }
  if (state.wishes?.repost) return { do: 'post again' };

  // While its events are watched, a webhook tells nothing new.
  if (state.claimDue && state.start.environmentId && !busy.claim && !busy.watch && may('claim'))
    return { do: 'claim' };
  const recheckDue = state.inspectionDue !== null && now >= state.inspectionDue.at;
  if ((state.ours === null || recheckDue) && !busy.look && may('look')) return { do: 'look' };

  const hasRoom = state.moreCalls && state.calls.length <= OPEN_CALLS_KEPT / 2;
  if ((hasRoom || state.watchAgain) && busy.watch && may('watch again')) return { do: 'watch again' };

  const inFlight =
    busy.look ||
    busy.claim ||
    busy.prepare ||
    busy.sync ||
    busy.run ||
    busy.cancel ||
    busy.post ||
    busy.interrupt ||
    busy.copy;
  if (renew && !inFlight) return { do: 'renew' };

  if (state.work && !state.unwatched && !busy.watch && may('watch')) return { do: 'watch' };
  if (state.unwatched && now >= state.unwatched.checkAt && !busy.check) return { do: 'check' };
  if (state.paused && holdsSandbox(state) && !usesSandbox(busy) && may('pause')) return { do: 'pause' };
  const wanted = needsSandbox(state);
  if (wanted && !state.sandbox.ready && !busy.prepare && !state.sandbox.failure && may('prepare'))
    return { do: 'prepare' };

  // Memory is synced between calls, never beside one.
  const held = state.paused !== undefined || state.wishes?.replace !== undefined;
  const syncDue = !held && state.memory?.due && hasMemoryToken(state) && state.sandbox.ready;
  if (syncDue && !busy.sync && !busy.run && may('sync')) return { do: 'sync' };

  // One call at a time, as the official worker does.
  const open = state.calls.find((call) => call.state === 'open' && !call.awaitingApproval);
  const unposted = state.calls.filter((call) => call.state === 'unposted');
  const fits = unposted.length < UNPOSTED_KEPT;
  if (
    open &&
    !held &&
    fits &&
    state.sandbox.ready &&
    !busy.run &&
    !busy.sync &&
    !syncDue &&
    !renew &&
    may('run')
  )
    return { do: 'run', call: open };
  if (unposted[0] && !busy.post && may('post')) return { do: 'post', call: unposted[0] };

  return restOrWait(state, inFlight, now, may);
}

/** Quiet sessions rest after their grace, and end after their retention. */
function restOrWait(
  state: SessionState,
  inFlight: boolean,
  now: number,
  may: (step: Step['do']) => boolean,
): Step {
  const settings = state.start.settings;
  const rested = !state.work && !state.sandbox.ready && !state.expecting;
  const quiet = !state.calls.some((call) => call.state !== 'unposted' && !call.awaitingApproval);
  const graceEnds = state.turn.since + settings.graceMs;
  const over = state.turn.state === 'idle' && state.calls.length === 0;
  const wait = (until: number | null, why: string): Step => {
    const inspectionDue = state.inspectionDue?.at ?? 0;
    if (inspectionDue > now && inspectionDue < (until ?? Number.POSITIVE_INFINITY))
      return {
        do: 'wait',
        until: inspectionDue,
        why: 'inspect the session again: its turn has no work item',
      };
    return { do: 'wait', until, why };
  };

  if (inFlight && !state.calls.some((call) => call.state === 'unposted'))
    return { do: 'wait', until: null, why: 'until an activity ends' };
  // Its sandbox was lost, or could not be started.
  if (rested && (state.slot || state.share?.requested) && may('pause')) return { do: 'pause' };
  if (rested) {
    const retentionEnds = retainUntil(state);
    if (now >= retentionEnds && may('end')) return { do: 'end', reason: RETENTION_OVER };
    return wait(retentionEnds, 'keep the paused sandbox until its retention ends');
  }
  if (over)
    return now >= graceEnds && may('rest')
      ? { do: 'rest' }
      : wait(graceEnds, 'keep the sandbox running after the turn');
  const elsewhere = state.turn.state !== 'running' || state.calls.length > 0;
  if (quiet && elsewhere && (state.sandbox.ready || state.share?.requested)) {
    return now >= graceEnds && may('pause')
      ? { do: 'pause' }
      : wait(graceEnds, 'keep the sandbox running while the turn waits');
  }
  return wait(null, 'until the turn goes on');
}

/** Where no call ran there are none. A shared sandbox outlives the session: its own workflow copies. */
export function hasOutputsToCopy({ start, share, sandbox, outputs }: SessionState): boolean {
  const mayHaveSome = Boolean(sandbox.id) && Boolean(sandbox.lastCall || outputs);
  return start.settings.copyOutputs === true && !share && mayHaveSome;
}

export function needsSandbox(state: SessionState): boolean {
  if (state.ours !== true || state.paused || state.wishes?.replace) return false;
  if (state.expecting || state.calls.some((call) => call.state === 'open' && !call.awaitingApproval))
    return true;
  return state.work !== null && state.turn.state === 'running' && state.calls.length === 0;
}

/** A sandbox runs for the session, or is asked for. */
function holdsSandbox({ sandbox, slot, share }: SessionState): boolean {
  return sandbox.ready || Boolean(slot) || share?.requested === true;
}

function usesSandbox(busy: Busy): boolean {
  return busy.run || busy.prepare || busy.sync || busy.cancel || busy.copy;
}

/** Whether no sandbox runs for the session, and none is about to. */
export function isAtRest(state: SessionState, busy: Busy): boolean {
  return !holdsSandbox(state) && !usesSandbox(busy);
}

/** Epoch ms at which an unused session is given up. */
export function retainUntil(state: SessionState): number {
  return state.lastUsed + state.start.settings.retentionMs;
}

/** One word for lists: the search attribute `SessionPhase`. */
export function phaseOf(state: SessionState, busy: Busy): Phase {
  if (state.end || state.ours === false) return 'ended';
  if (state.paused) return 'paused by a person';
  // Also while another call runs: the person who is to decide has to find it.
  if (state.calls.some((call) => call.awaitingApproval)) return 'waiting for approval';
  if (state.slot && !state.slot.granted) return 'waiting for a sandbox';
  if (state.share?.requested && !state.share.assigned) return 'waiting for a sandbox';
  if (state.turn.state === 'waiting') return 'waiting';
  if (state.turn.state === 'running' && (state.work || busy.run)) return 'working';
  if (state.claimDue || busy.claim || state.expecting) return 'waking';
  return state.sandbox.ready ? 'idle' : 'paused';
}
