// What a session's workflow knows, as plain JSON that is carried over continue-as-new, and how each message
// changes it. Pure: no clock, no Temporal. `session-steps.ts` decides from it, `session.ts` acts.
import { type Attentive, settleTurn } from '../attention.ts';
import type { Interrupted, OpenCall, SessionChange, SessionStart, Wake, WatchId } from '../messages.ts';
import type { Paced } from '../pace.ts';
import type { SlotUser } from '../sandbox-slots/holder.ts';
import { type CallResult, errorResult } from './call-result.ts';
import type { MountedStore, Outputs } from './equipment.ts';
import { recordMemoryTurnOver } from './memory.ts';
import type { Share } from './shared-sandbox.ts';

/** Deliveries come back within minutes; this many ids cover hours of a busy session. */
const EVENT_IDS_KEPT = 256;
/** A new listing of the session's events never reports an answered call, so only late signals need these. */
const ANSWERED_KEPT = 500;
const LAST_CALLS_KEPT = 8;
/** What is carried to the next run is bounded; calls beyond this number are told again when there is room. */
export const OPEN_CALLS_KEPT = 500;
const INTERRUPTED =
  'The command was interrupted by the user. If it had begun it was stopped, and it may have had an effect.';
export const PREVIEW_CHARS = 200;
/** After a sign that such a turn moves: long enough for an item to come first. */
export const RECHECK_SOON_MS = 3_000;

/** The lease on a work item: what the next heartbeat must name, and how long it holds. */
export interface Lease {
  /** Byte-exact `last_heartbeat` of the service. */
  lastHeartbeat: string;
  ttlSeconds: number;
}

export interface Call extends OpenCall {
  state: 'open' | 'running' | 'unposted';
  /** Kept only while it could not be posted. */
  result?: CallResult;
  /** The service no longer waits for it: cancel it, post nothing. */
  closed?: string;
  /** The sandbox was told so; what is left is that the call ends. */
  cancelled?: boolean;
}

export interface FinishedCall {
  name: string;
  preview: string;
  outcome: string;
}

export interface SessionState extends SlotUser, Paced, Attentive {
  version: 1;
  start: SessionStart;
  /** Whether the session belongs to our environment; null until somebody looked. */
  ours: boolean | null;
  /** A wake not yet acted on. */
  lookAgain: boolean;
  /** A webhook said that a turn began: the sandbox is made ready although no work item is here yet. */
  expecting: boolean;
  /** A webhook said that a turn began although a work item is held; counts only while its watch is being ended. */
  woken?: boolean;
  /** A turn is under way and no work item is here: when to look again, and how often that was done. */
  recheck: { at: number; tries: number } | null;
  /** The newest watch over the session's events; absent before the first one. */
  watch?: WatchId;
  /**
   * Set while nothing is expected to happen, perhaps for days: no watch holds a slot, the session is checked now and
   * then (epoch ms).
   */
  unwatched?: { checkAt: number };
  /** Ids of the events that a watch, and a check, have last seen as the newest: no others are news. */
  seen?: string[];
  work: {
    id: string;
    sealedSecret: string | null;
    lease: Lease | null;
    /** It came from the queue once more while it was held: if its lease turns out to be lost, it is ours anew. */
    offeredAgain?: boolean;
  } | null;
  stoppedWork: string[];
  sandbox: {
    id: string | null;
    ready: boolean;
    /** Of the sandbox that is asked for; each is for one wish (activities/sandbox/proof.ts). */
    nonce?: string;
    /** Its predecessor was lost with its files, and the model does not know yet. */
    tellLost: boolean;
    /** It came back in an earlier state than the one it was left in, and the model does not know yet. */
    tellOlder?: boolean;
    /** The last call that ran in it: a sandbox whose journal does not hold it went back in time. */
    lastCall?: string;
    /** Why none can be had; open calls are answered with it. */
    failure: string | null;
  };
  /** A sandbox was assigned by this workflow, or a run of it before. */
  hadSandbox?: boolean;
  /** Absent where the sandbox is the session's own. */
  share?: Share;
  /** Absent where the session has no memory stores. */
  memory?: {
    stores: MountedStore[];
    /** `sync` before the next call; `last` when the turn is over: nothing changes any more. */
    due: 'sync' | 'last' | null;
    /** A call has run since the last sync that was due at the end of a turn. */
    used: boolean;
    /** Epoch ms. */
    syncedAt: number;
    problems: string[];
    /** Why the last sync could not reach the stores; absent if it could. */
    away?: string;
    /** Of the last work item, for calls that no item covers: its token may be good for a while longer. */
    sealedSecret?: string | null;
  };
  /** Skills that are not installed, and why; absent where all are. */
  skillProblems?: string[];
  /** Absent while there are none. */
  outputs?: Outputs;
  turn: { state: 'running' | 'waiting' | 'idle'; reason: string; since: number };
  /** Id of the event with which the last turn ended; absent until one has. */
  turnEnded?: string;
  calls: Call[];
  /** There are calls for which `calls` had no room: a new watch, or look, tells of them. */
  moreCalls?: boolean;
  answered: string[];
  eventIds: string[];
  lastCalls: FinishedCall[];
  turns: number;
  callsDone: number;
  /** Epoch ms of the last sign of use, from which retention counts. */
  lastUsed: number;
  /** Messages that were malformed or unknown. */
  oddities: number;
  /** Events of the session that were passed over, by type; absent where there were none. */
  oddEvents?: Record<string, number>;
  /** Why the workflow ends. */
  end: string | null;
}

/** State of a session that nobody knew. `now` in epoch ms. */
export function openSession(start: SessionStart, now: number): SessionState {
  return {
    version: 1,
    start,
    ours: null,
    lookAgain: false,
    expecting: false,
    recheck: null,
    work: null,
    stoppedWork: [],
    sandbox: { id: null, ready: false, tellLost: false, failure: null },
    turn: { state: 'idle', reason: 'unknown', since: now },
    calls: [],
    answered: [],
    eventIds: [],
    lastCalls: [],
    turns: 0,
    callsDone: 0,
    lastUsed: now,
    attention: {},
    oddities: 0,
    end: null,
  };
}

export function recordWake(state: SessionState, wake: Wake, now: number): void {
  if (!remember(state.eventIds, wake.eventId, EVENT_IDS_KEPT)) return;
  if (state.work) {
    // Its events are watched and tell more, unless the watch is just being recalled, or none is there.
    if (wake.type === 'session.status_run_started') {
      state.woken = true;
      delete state.unwatched;
    }
    if (state.unwatched) state.unwatched.checkAt = now;
    return;
  }
  // A turn that nobody watches has moved: calls that no item covers are not left to wait.
  if (state.recheck) state.recheck.at = Math.min(state.recheck.at, now + RECHECK_SOON_MS);
  state.lookAgain = true;
  // A turn waits for somebody: whatever holds it up is looked for now.
  if (wake.type === 'reconcile') state.recheck = { at: now, tries: state.recheck?.tries ?? 0 };
  // Calls are waiting that nobody watches: it may be about them.
  if (state.recheck && state.calls.length > 0) state.recheck.at = now;
  if (wake.type !== 'session.status_run_started') return;
  state.expecting = true;
  state.lastUsed = now;
  state.turn.since = now;
  state.sandbox.failure = null;
}

export function recordCallsOpened(state: SessionState, calls: OpenCall[], now: number): void {
  for (const call of calls) {
    if (call.stillAwaited) recordStillAwaited(state, call);
    if (call.stillAwaited || state.answered.includes(call.id)) continue;
    const known = state.calls.find((other) => other.id === call.id);
    if (!known) {
      // Those that come after one without room wait with it: they keep their order.
      if (state.calls.length >= OPEN_CALLS_KEPT) state.moreCalls = true;
      if (state.moreCalls) continue;
      state.calls.push({ ...ownFields(call), state: 'open' });
      state.sandbox.failure = null;
    } else if (known.state === 'open' && known.held && !call.held) {
      delete known.held;
    }
  }
  state.turn = { state: 'running', reason: 'tool calls', since: now };
  state.lastUsed = now;
}

/** What a message holds beyond them is not carried along. */
function ownFields({ id, name, preview, threadId, held, stray }: OpenCall): OpenCall {
  return {
    id,
    name,
    preview: preview.slice(0, PREVIEW_CHARS),
    ...(typeof threadId === 'string' ? { threadId } : {}),
    ...(held ? { held: true } : {}),
    ...(stray ? { stray: true } : {}),
  };
}

export function recordInterrupted(state: SessionState, { callIds, why }: Interrupted): void {
  for (const call of state.calls) {
    if (callIds.includes(call.id)) call.closed = why;
  }
  for (const call of state.calls.filter((one) => one.closed && one.state !== 'running')) {
    recordCallDone(state, call.id, why);
  }
}

/** Says how things are, so a repetition changes nothing and an old report is put right by the next. */
export function recordChange(state: SessionState, event: SessionChange, now: number): void {
  switch (event.change) {
    case 'running':
      if (state.turn.state === 'idle') {
        state.turns += 1;
        if (state.memory) state.memory.due = 'sync';
      }
      state.turn = { state: 'running', reason: 'model', since: now };
      state.lastUsed = now;
      return;
    case 'idle':
    case 'waiting':
      state.turn = { state: event.change, reason: event.reason, since: now };
      if (event.change === 'idle') {
        state.turnEnded = event.eventId;
        recordMemoryTurnOver(state);
        settleTurn(state);
      }
      return;
    default:
      state.end = event.change;
  }
}

/** A call left the workflow's hands: answered, refused for good, or no longer wanted. */
export function recordCallDone(state: SessionState, callId: string, outcome: string): void {
  const call = state.calls.find((one) => one.id === callId);
  if (!call) return;
  if (call.stillAwaited && outcome === 'interrupted') {
    answerInterrupted(call);
    return;
  }
  state.calls = state.calls.filter((one) => one !== call);
  remember(state.answered, callId, ANSWERED_KEPT);
  state.lastCalls.push({ name: call.name, preview: call.preview, outcome });
  state.lastCalls.splice(0, state.lastCalls.length - LAST_CALLS_KEPT);
  state.callsDone += 1;
}

/** The result is in hand and could not be posted for now. */
export function recordUnposted(state: SessionState, callId: string, result: CallResult, now: number): void {
  const call = state.calls.find((one) => one.id === callId);
  if (!call) return;
  if (call.closed) {
    recordCallDone(state, callId, call.closed);
    return;
  }
  call.state = 'unposted';
  call.result = result;
  state.turn.since = now;
}

/** A call that was interrupted is answered after all, once: as soon as its command has been cancelled. */
function recordStillAwaited(state: SessionState, call: OpenCall): void {
  const known = state.calls.find((one) => one.id === call.id);
  if (known?.closed) known.stillAwaited = true;
  if (!known && state.calls.length >= OPEN_CALLS_KEPT) state.moreCalls = true;
  if (known || state.moreCalls) return;
  state.answered = state.answered.filter((id) => id !== call.id);
  const reopened: Call = { ...ownFields(call), state: 'unposted' };
  answerInterrupted(reopened);
  state.calls.push(reopened);
}

function answerInterrupted(call: Call): void {
  delete call.stillAwaited;
  delete call.closed;
  delete call.cancelled;
  call.state = 'unposted';
  call.result = errorResult(INTERRUPTED);
}

/** The calls that the workflow has, as a watch or a look takes them. */
export function knownCalls(state: SessionState): { id: string; held: boolean }[] {
  return state.calls.map(({ id, held }) => ({ id, held: held === true }));
}

/** Adds an id to a bounded list, oldest out first. False if it was there. */
export function remember(ids: string[], id: string, keep: number): boolean {
  if (ids.includes(id)) return false;
  ids.push(id);
  ids.splice(0, ids.length - keep);
  return true;
}
