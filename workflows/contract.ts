// Everything that workflows can do to the world: each activity with its input, its outcome and what it promises, in the
// order in which a session uses them. activities/ implements this interface, activity-policies.ts makes proxies of it.
// An activity may run again after its worker died, so each is safe to repeat.
import type { Equipment, MountedStore } from './equipment.ts';
import type { HookMessage } from './hook-message.ts';
import type { SessionInspection } from './inspection.ts';
import type { SessionEnvironment, SharedScope } from './messages.ts';
import type { Copied, Outputs } from './outputs.ts';
import type { Failed, Rested } from './rested.ts';
import type { ModelNotice } from './session-details.ts';

export { MOST_OUTPUTS_SHOWN, MOST_PROBLEMS } from './outputs.ts';
export { isFailed } from './rested.ts';
export type { Copied, Equipment, Failed, ModelNotice, MountedStore, Outputs, Rested, SessionInspection };

/** Types of the failures that activities throw. Retries do not help against the first, and the failure says so. */
export const FINAL = 'final';
export const RETRY = 'retry';
/** A session outlasts a credential that the service refuses; an environment shows it. */
export const CREDENTIAL_REFUSED = 'credential refused';

export const MOST_FINDINGS = 20;

export interface Activities {
  /** Finds which of our environments a session belongs to, and inspects it. */
  findSession: (args: { sessionId: string }) => Promise<SessionInspection & { start?: SessionEnvironment }>;
  /** Reads a session's status and, where asked to, finds its orphaned calls. */
  inspectSession: (args: InspectArgs) => Promise<SessionInspection>;
  /** Takes what the queue holds; each item is handed to its session's workflow before it is acknowledged. */
  claimWork: (args: InEnvironment) => Promise<{ claimed: number; drained?: boolean }>;
  /** Keeps the lease on a work item and signals what happens in its session, until the turn is over. */
  watchSession: (args: WatchArgs) => Promise<WatchEnd>;
  /** Extends the lease once, and finds out whether anything has happened since the newest event that was seen. */
  checkSession: (args: CheckArgs) => Promise<Checked>;

  /** Asks the queue for running sandboxes for a slot; the answer is the signal `slotGranted`. */
  requestSlot: (args: InEnvironment & { workflowId: string }) => Promise<void>;
  /** Resolves with a running sandbox whose toolhost answers, the session's skills and memory folders in it. */
  prepareSandbox: (args: PrepareArgs) => Promise<Prepared>;
  /** Asks the workflow of the shared sandbox for it, and starts that workflow if need be; the answer is a signal. */
  requestSharedSandbox: (args: AcquireArgs) => Promise<{ workflowId: string }>;
  /** For the shared sandbox's workflow: resolves with a running sandbox whose toolhost answers. */
  prepareSharedSandbox: (args: PrepareSharedArgs) => Promise<Prepared>;
  /** Brings a session's skills into a shared sandbox that runs. */
  enterSharedSandbox: (args: InEnvironment & EnterArgs) => Promise<Entered>;
  /** Makes the memory stores and their folders in the sandbox agree. */
  syncMemory: (args: SyncArgs) => Promise<Synced>;

  /** Runs a tool call at most once, however often it is asked to, and posts its result. */
  runToolCall: (args: InEnvironment & RunArgs) => Promise<Ran>;
  /** Ends a call in the sandbox; one that has not arrived there will not run. */
  cancelToolCall: (args: InEnvironment & InSandbox & { callId: string }) => Promise<void>;
  /** Posts a `user.interrupt`, once for a turn. */
  interruptSession: (args: InEnvironment & WithItemToken) => Promise<Interrupted>;
  /** Posts a result that the workflow has kept, until the service has it or refuses it for good. */
  postResult: (args: InEnvironment & PostArgs) => Promise<Posted>;

  /** After a turn: stops the work item, inspects the session, and pauses its sandbox unless a turn is under way. */
  restSession: (args: RestArgs) => Promise<Rested>;
  /** Stops a work item; an item that is stopped already, or no longer exists, is no error. */
  stopWork: (args: HeldItem) => Promise<void>;
  /** Pauses a sandbox, and makes sure that it is paused. */
  pauseSandbox: (args: InEnvironment & InSandbox) => Promise<'paused' | 'lost'>;
  /** Copies the files below `/mnt/session/outputs`; a later attempt goes on where this one ended. */
  copyOutputs: (args: InEnvironment & InSandbox & { sessionId: string }) => Promise<Copied>;
  /** Kills every sandbox of a session, or of a shared sandbox's key, those that no workflow has recorded too. */
  killSandboxes: (owner: SandboxOwner) => Promise<string[]>;
  /** Ends the processes that ended sessions have left running in a shared sandbox. */
  endSessionProcesses: (
    args: InEnvironment & InSandbox & { sessionIds: string[] },
  ) => Promise<'ended' | 'lost'>;

  /** Calls the owner's hook. A repeated message has the same id. */
  callHook: (args: { message: HookMessage }) => Promise<void>;

  /** Finds out which of these workflows no longer run: terminated workflows cannot return what they hold. */
  findEndedWorkflows: (args: { workflowIds: string[] }) => Promise<string[]>;
  /** Polls the work queue for an hour. */
  watchQueue: (args: InEnvironment) => Promise<{ claimed: number }>;
  /** Compares queue, sandboxes and sessions, and repairs what lost messages left behind. Resolves with what it found. */
  reconcile: (args: InEnvironment) => Promise<string[]>;
}

/** A worker serves several environments, each with a key of its own. */
interface InEnvironment {
  environmentId: string;
}

export interface HeldItem extends OfSession {
  workId: string;
  /** When the session got the item: epoch ms. */
  heldSince?: number;
}

/** Names the item that the session holds, if any, and the sandbox of its own that runs, if any. */
export type RestArgs = OfSession & Partial<HeldItem & InSandbox>;

interface InSandbox {
  sandboxId: string;
}

interface OfSession extends InEnvironment {
  sessionId: string;
}

/** Calls to Anthropic are made with the token of the session's work item, where there is one. */
interface WithItemToken {
  sessionId: string;
  /** The sealed secret of the work item. */
  sealedSecret: string | null;
}

export interface InspectArgs extends OfSession {
  /** Look for orphaned calls. */
  orphanedCalls: boolean;
  /** The calls that the workflow holds. */
  known?: KnownCall[];
}

/** A call that the workflow knows, and whether it takes it to wait for an approval. */
export interface KnownCall {
  id: string;
  awaitingApproval: boolean;
}
export type Turn = 'running' | 'waiting' | 'idle';

/** The lease on a work item: what the next heartbeat must name, and how long it holds. */
export interface Lease {
  /** Byte-exact `last_heartbeat` of the service. */
  lastHeartbeat: string;
  ttlSeconds: number;
}

/** `stopping`: the service wants the item back. `superseded`: a newer watch has the lease. */
export type LeaseEnd = 'lost' | 'stopping' | 'superseded';

interface Leased extends HeldItem, WithItemToken {
  lease: Lease | null;
}

export interface WatchArgs extends Leased {
  known: KnownCall[];
  turn: Turn;
  /** Which of two watches is the newer one: epoch ms. */
  since: number;
  graceMs: number;
  /** Id of the event from which on events are read; absent where all of them are. */
  settledAt?: string;
}

/** `recalled`: by the workflow. */
export type WatchEnd = { lease: Lease | null } & (
  | { why: 'recalled' | LeaseEnd | 'session ended' }
  /** Nothing happens, perhaps for days; `seen` is the id of the newest event. */
  | { why: 'quiet'; seen: string }
);

export interface CheckArgs extends Leased {
  /** Ids of events; if the newest one is among them, nothing has happened. */
  seen: string[];
}

export interface Checked {
  /** Set where the lease is over. */
  why?: LeaseEnd;
  lease: Lease | null;
  /** Something has happened: the events are to be watched again. */
  moved: boolean;
  /** Id of the newest event, where it is news. */
  seen?: string;
}

/** One sandbox that a workflow asks for, however many attempts it takes. */
export interface SandboxRequest {
  /** Recorded in the workflow's history before the creation. */
  nonce: string;
  /** The workflow had a sandbox before: it looks for none that an earlier workflow has left. */
  hadSandbox?: boolean;
}

export interface PrepareArgs extends OfSession, SandboxRequest {
  /** The sandbox that the session had, if any. */
  sandboxId: string | null;
  /** The last call that ran in it; a sandbox without it went back in time. */
  lastCall?: string;
}

export interface Prepared {
  sandboxId: string;
  /** `adopted`: made by an attempt that died before it could say so. `replaced`: the session's files are lost. */
  how: 'connected' | 'adopted' | 'created' | 'replaced';
  /** It was resumed in an earlier state than the one it was left in. */
  older?: boolean;
  /** The agent of the session, where it could be read. */
  agentId?: string;
  /** Absent where the session brings neither skills nor memory stores. */
  equipment?: Equipment;
}

/** Names a shared sandbox, and its workflow: the environment, or an agent in it. */
export interface SharedKey extends InEnvironment {
  key: string;
}

/** Whose a sandbox is. */
export type SandboxOwner = OfSession | SharedKey;

export interface AcquireArgs extends OfSession {
  /** Id of the session's workflow, which gets the answer as a signal. */
  holder: string;
  scope: SharedScope;
}

export interface PrepareSharedArgs extends SharedKey, SandboxRequest {
  sandboxId: string | null;
}

export interface EnterArgs extends InSandbox {
  sessionId: string;
  /** The last call of the session that ran in it. */
  lastCall?: string;
}

export type Entered = (Prepared & { how: 'connected' }) | { how: 'lost' };

export interface SyncArgs extends InEnvironment, InSandbox, WithItemToken {
  stores: MountedStore[];
  /** The turn is over: deletions need no second look at another time. */
  last: boolean;
}

export type Synced =
  /** What could not be synced, in words; at most `MOST_PROBLEMS`. */
  | { outcome: 'synced'; problems: string[] }
  /** Memory cannot be reached in this turn at all. */
  | { outcome: 'unavailable'; reason: string }
  | { outcome: 'sandbox lost' };

export interface RunArgs extends InSandbox, WithItemToken {
  /** Id of the work item that covers the call, where there is one. */
  workId?: string;
  /**
   * `orphaned`: found without a work item; what becomes of it, unless its result is kept, is a setting. `repost`: it has
   * run; only a result that the sandbox still has is posted.
   */
  call: { id: string; name: string; threadId?: string; orphaned?: boolean; repost?: boolean };
  /** What the model is to learn with this result. */
  modelNotice?: ModelNotice;
  /** Tell the model that the memory stores cannot be reached, for this reason. */
  memoryUnavailable?: string;
  /** Mark of the outputs that the workflow knows; absent if it knows none. */
  outputsSeen?: string;
}

/** `outputs`: if they have changed since `outputsSeen`. `retried`: not by the first attempt, whose worker may have died. */
export type Ran = { outputs?: Outputs; retried?: true } & RanOutcome;

export type RanOutcome =
  /** Ran and its result was accepted; `failed` is a result that says that the tool failed. */
  | { outcome: 'done' | 'failed' | 'cancelled' }
  | Exclude<Posted, { outcome: 'accepted' }>
  | { outcome: 'unposted'; result: CallResult }
  /** `started`: the call may have had an effect. */
  | { outcome: 'sandbox lost'; started: boolean };

/** A result as it may enter a history: no image, no document. */
export interface CallResult {
  content: { type: 'text'; text: string }[];
  isError: boolean;
  /** The sandbox in whose toolhost its images and documents are; absent if it has none. */
  mediaIn?: string;
}

export interface PostArgs extends WithItemToken {
  /** Id of the session's work item, where there is one. */
  workId?: string;
  callId: string;
  result: CallResult;
}

/** `no turn`: there is nothing to interrupt. `forbidden`: the credentials of the router may not. */
export type Interrupted = { outcome: 'posted' | 'no turn' } | { outcome: 'forbidden'; reason: string };

export type Posted =
  /** `answered`: another result is there already, or the call was closed. */
  | { outcome: 'accepted' | 'answered' }
  /**
   * `replaced`: refused for its content; an error result in its place was accepted. `interrupted`: no result of this call
   * is taken, so its turn was interrupted. `refused`: never to be accepted.
   */
  | { outcome: 'replaced' | 'interrupted' | 'refused'; reason: string };
