// What a session's workflow knows, as plain JSON that is carried over continue-as-new. Pure: no clock, no Temporal. The
// files beside this one change it, next-step.ts decides from it, actions.ts acts.
import type { Attentive, Cause } from '../attention.ts';
import type { CallResult, Lease, ModelNotice, MountedStore, Outputs } from '../contract.ts';
import type { HookMessage } from '../hook-message.ts';
import type { OpenCall, SessionStart, SharedScope, WatchId } from '../messages.ts';
import type { Paced } from '../pace.ts';
import type { SlotUser } from '../sandbox-slots/holder.ts';
import type { Operated } from './wishes.ts';

/** Bounds what is carried to the next run; a watch reports further calls again when there is room. */
export const OPEN_CALLS_KEPT = 500;
/** Results of up to 100 KB each are carried to the next run: while none can be posted, no further calls run. */
export const UNPOSTED_KEPT = 8;
export const PREVIEW_CHARS = 200;
/** Time for a work item to arrive after a sign that a turn without one goes on. */
export const INSPECT_SOON_MS = 3_000;

export interface Call extends OpenCall {
  state: 'open' | 'running' | 'unposted';
  /** Epoch ms at which the workflow learnt of it. */
  since: number;
  /** Kept only while it could not be posted. */
  result?: CallResult;
  /** The service no longer waits for it: cancel it, post nothing. */
  closed?: string;
  /** The sandbox has been told to end it; only its end is waited for. */
  cancelled?: boolean;
  /** The hook has been told that it waits for approval. */
  announced?: boolean;
  /** It has run, and its result was refused: only a result that the sandbox still has is posted. */
  repost?: boolean;
}

export interface FinishedCall {
  id: string;
  name: string;
  preview: string;
  outcome: string;
}

/** The session's part in a sandbox that it shares. */
export interface Share {
  scope: SharedScope;
  /** Id of the sandbox's workflow; null until the first request has found it out. */
  workflowId: string | null;
  /** Requested and not returned. */
  requested: boolean;
  /** The sandbox that this session is to use; null until it is assigned. */
  assigned: string | null;
  /** Why no sandbox could be started. */
  refused?: string;
}

export interface SessionState extends SlotUser, Paced, Attentive, Operated {
  version: 1;
  start: SessionStart;
  /** Whether the session belongs to our environment; null until it has been inspected. */
  ours: boolean | null;
  /** The agent of the session; absent until it is known. */
  agentId?: string;
  /** A webhook may mean new work: the queue is to be asked. */
  claimDue: boolean;
  /** A webhook said that a turn began: the sandbox is prepared before a work item arrives. */
  expecting: boolean;
  /** A webhook said that a turn began although a work item is held; counts only while its watch is being ended. */
  woken?: boolean;
  /**
   * A turn is under way without a work item: when the session is inspected next, how often it was, and whether it was
   * seen to wait for people or another client.
   */
  inspectionDue: { at: number; tries: number; waiting?: boolean } | null;
  /** The newest watch over the session's events; absent before the first one. */
  watch?: WatchId;
  /** A call was begun anew: the worker of the watch may have died with that of the call. */
  watchAgain?: true;
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
    /** When it was claimed: epoch ms. */
    since?: number;
    /** The queue offered it again while we held it: if its lease turns out to be lost, it is still ours. */
    offeredAgain?: boolean;
    /** It is being stopped: what a message tells of is not covered by it. */
    ending?: true;
  } | null;
  stoppedWork: string[];
  sandbox: {
    id: string | null;
    ready: boolean;
    /** Of the sandbox that is being prepared; every request has another one (activities/sandbox/proof.ts). */
    nonce?: string;
    /** What the model does not know yet about its files. */
    modelNotice?: ModelNotice;
    /** The last call that ran in it: a sandbox whose journal does not hold it went back in time. */
    lastCall?: string;
    /** Why no sandbox could be started; open calls are answered with it. */
    failure: string | null;
  };
  /** This workflow, or an earlier run of it, has had a sandbox. */
  hadSandbox?: boolean;
  /** Absent where the sandbox is the session's own. */
  share?: Share;
  /** Absent where the session has no memory stores. */
  memory?: {
    stores: MountedStore[];
    /** `sync`: before the next call. `last`: the turn is over, and nothing changes the folders any more. */
    due: 'sync' | 'last' | null;
    /** A call has run since the last sync that was due at the end of a turn. */
    used: boolean;
    /** Epoch ms. */
    syncedAt: number;
    problems: string[];
    /** Why the last sync could not reach the stores; absent if it could. */
    unavailable?: string;
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
  /** Id of the newest event at which nothing was open: a watch needs no event from before it. Absent until there is one. */
  settledAt?: string;
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
  /** Messages that were malformed. */
  malformedSignals: number;
  /** Events of the session that were skipped, by type; absent where there were none. */
  skippedEvents?: Record<string, number>;
  /** The message that the hook is being sent. */
  hookMessage?: HookMessage;
  /** When each cause of attention was last announced to the hook, epoch ms. */
  announced?: Partial<Record<Cause, number>>;
  /** How far the session is, and since when (epoch ms); absent while it rests or waits for people. */
  progress?: { mark: string; since: number };
  /** Why the workflow ends. */
  end: string | null;
}

/** State of a new session. `now` in epoch ms. */
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

/** Whether a work item covers what happens in the session. */
export function isCovered({ work }: SessionState): boolean {
  return work !== null && !work.ending;
}
