// What a session's workflow knows, as plain JSON that is carried over continue-as-new. Pure: no clock, no Temporal. The
// files beside this one change it, next-step.ts decides from it, actions.ts acts.
import type { Attentive } from '../attention.ts';
import type { CallResult, Lease, ModelNotice, MountedStore, Outputs } from '../contract.ts';
import type { OpenCall, SessionStart, SharedScope, WatchId } from '../messages.ts';
import type { Paced } from '../pace.ts';
import type { SlotUser } from '../sandbox-slots/holder.ts';

/** What is carried to the next run is bounded; calls beyond this number are told again when there is room. */
export const OPEN_CALLS_KEPT = 500;
export const PREVIEW_CHARS = 200;
/** After a sign that such a turn moves: long enough for an item to come first. */
export const INSPECT_SOON_MS = 3_000;

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

/** The session's part in a sandbox that it shares. */
export interface Share {
  scope: SharedScope;
  /** Id of the sandbox's workflow; null until somebody has found out which. */
  workflowId: string | null;
  /** Asked for and not returned. */
  requested: boolean;
  /** The sandbox that this session is to use; null until told. */
  assigned: string | null;
  /** Why there is none. */
  refused?: string;
}

export interface SessionState extends SlotUser, Paced, Attentive {
  version: 1;
  start: SessionStart;
  /** Whether the session belongs to our environment; null until somebody looked. */
  ours: boolean | null;
  /** A wake not yet acted on. */
  claimDue: boolean;
  /** A webhook said that a turn began: the sandbox is made ready although no work item is here yet. */
  expecting: boolean;
  /** A webhook said that a turn began although a work item is held; counts only while its watch is being ended. */
  woken?: boolean;
  /** A turn is under way and no work item is here: when to look again, and how often that was done. */
  inspectionDue: { at: number; tries: number } | null;
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
    /** What the model does not know yet about its files. */
    modelNotice?: ModelNotice;
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
  malformedSignals: number;
  /** Events of the session that were passed over, by type; absent where there were none. */
  skippedEvents?: Record<string, number>;
  /** Why the workflow ends. */
  end: string | null;
}

/** State of a session that nobody knew. `now` in epoch ms. */
export function openSession(start: SessionStart, now: number): SessionState {
  return {
    version: 1,
    start,
    ours: null,
    claimDue: false,
    expecting: false,
    inspectionDue: null,
    work: null,
    stoppedWork: [],
    sandbox: { id: null, ready: false, failure: null },
    turn: { state: 'idle', reason: 'unknown', since: now },
    calls: [],
    answered: [],
    eventIds: [],
    lastCalls: [],
    turns: 0,
    callsDone: 0,
    lastUsed: now,
    attention: {},
    malformedSignals: 0,
    end: null,
  };
}

/** Adds an id to a bounded list, oldest out first. False if it was there. */
export function remember(ids: string[], id: string, keep: number): boolean {
  if (ids.includes(id)) return false;
  ids.push(id);
  ids.splice(0, ids.length - keep);
  return true;
}
