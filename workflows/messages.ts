// The names that processes agree on: workflow ids, task queue, signals, queries, search attributes and the
// shapes they carry. Everything here is API of running workflows: rename nothing, add only optional fields.
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { NeedsAttention } from './attention.ts';
import { type DeploymentNames, namesOf } from './deployment-names.ts';
import type { SessionDetails } from './session-details.ts';

export { CAUSES } from './attention.ts';
export { DEFAULT_DEPLOYMENT, type DeploymentNames, namesOf } from './deployment-names.ts';
export * from './hook-message.ts';
export * from './search-attributes.ts';
export * from './session-use.ts';
export * from './updates.ts';

// Names of the deployment that has none of its own.
export const {
  taskQueue: TASK_QUEUE,
  slotsWorkflowId: SLOTS_WORKFLOW_ID,
  sessionWorkflowId,
  environmentWorkflowId,
  sandboxWorkflowId,
}: DeploymentNames = namesOf();

export const SESSION_WORKFLOW = 'sessionWorkflow';
export const ENVIRONMENT_WORKFLOW = 'environmentWorkflow';
export const SLOTS_WORKFLOW = 'sandboxSlotsWorkflow';
export const SANDBOX_WORKFLOW = 'sandboxWorkflow';

/** Name of the activity that follows a session's events. While it runs, the webhook server sends no signals for them. */
export const SESSION_WATCH = 'watchSession';

/** The workflows, as clients start them by these names. */
export interface Workflows {
  [SESSION_WORKFLOW]: (start: SessionStart) => Promise<string>;
  [ENVIRONMENT_WORKFLOW]: (start: EnvironmentStart) => Promise<void>;
  [SLOTS_WORKFLOW]: () => Promise<void>;
  [SANDBOX_WORKFLOW]: (start: SharedSandboxStart) => Promise<void>;
}

/** How a session's workflow is started; the same from the webhook, the claim and the reconcile. */
export interface SessionStart {
  sessionId: string;
  /** Empty where a webhook started it and several environments are served: webhooks name none, so it is looked up. */
  environmentId: string;
  settings: SessionSettings;
}

/** The environment of a session and its settings, for a workflow that was started without them. */
export type SessionEnvironment = Pick<SessionStart, 'environmentId' | 'settings'>;

export interface SessionSettings {
  /** Milliseconds that a session stays hot after its turn ended, before its sandbox is paused. */
  graceMs: number;
  /** Milliseconds without use after which a session's sandbox is killed and its workflow completes. */
  retentionMs: number;
  /** Whether the server knows our search attributes. */
  searchAttributes: boolean;
  /** Running sandboxes are limited: a session requests a slot before it starts its sandbox. */
  limited?: boolean;
  /** At most this many claims a minute; the environment's workflow makes them. */
  claimsPerMinute?: number;
  /** Which sessions share a sandbox: those of one agent, or all of the environment. Absent: none. */
  scope?: SharedScope;
  /** Outputs are copied before a sandbox is killed. */
  copyOutputs?: boolean;
  /** Milliseconds without progress after which a session counts as stuck. Absent: never. */
  stuckMs?: number;
  /** The owner's hook is called for approvals and attention. */
  hook?: boolean;
}

export type SharedScope = 'agent' | 'environment';

/** A webhook is a hint: the session is to be inspected. */
export interface WebhookReceived {
  /** The delivery's id (`whe_…`), the key by which a repeated delivery is known. */
  eventId: string;
  /** Of the event, for example `session.status_run_started`. */
  type: string;
}

/** The reconcile has found a turn under way without a work item. */
export interface UnattendedTurn {
  /** Identifies a repeated message. */
  eventId: string;
}

/** A work item of this session was taken from the queue; acknowledged only after this signal is durable. */
export interface WorkClaimed {
  workId: string;
  /** The item's `secret`, sealed; null where the service gave none. */
  sealedSecret: string | null;
  /** The environment of the item, with the settings of now. */
  start?: SessionEnvironment;
}

/** How a sealed secret names the work item that it is bound to. */
export function sealedText(workId: string, sealed: string): string {
  return `${workId}.${sealed}`;
}

/** Empty where it names none. */
export function workIdOf(sealedSecret: string): string {
  return sealedSecret.slice(0, Math.max(0, sealedSecret.lastIndexOf('.')));
}

/** A tool call that waits for its result. Holds no input beyond a bounded preview. */
export interface OpenCall {
  /** Event id of the `agent.tool_use`. */
  id: string;
  name: string;
  /** At most 160 characters of the input, for people. */
  preview: string;
  threadId?: string;
  /** Waits for `user.tool_confirmation`. */
  awaitingApproval?: boolean;
  /** No work item covers it. */
  orphaned?: boolean;
  /** An interrupt should have closed it, but the session still waits for its result. */
  stillAwaited?: boolean;
}

/** Of one message; where there are more calls they come in several. */
export const MOST_CALLS_IN_MESSAGE = 250;

/**
 * Which watch over a session's events has sent a message. The workflow does not wait for the end of a watch that it has
 * recalled: what an older one still says is ignored, for the newer one reports it again.
 */
export interface WatchId {
  /** Epoch ms; a newer watch has a higher number. */
  since: number;
  attempt: number;
}

/** Absent where no watch has sent the message. */
interface FromWatch {
  watch?: WatchId;
}

export interface ToolCallsRequested extends FromWatch {
  /** At most `MOST_CALLS_IN_MESSAGE`. */
  calls: OpenCall[];
}

/** Calls that the service no longer waits for; a running one is cancelled, and no result is posted. */
export interface ToolCallsClosed extends FromWatch {
  eventId: string;
  /** At most `MOST_CALLS_IN_MESSAGE`. */
  callIds: string[];
  why: 'interrupted' | 'denied' | 'thread terminated' | 'answered elsewhere';
}

export type SessionChange = FromWatch & {
  /** Events that the watch passed over, being unknown or malformed, by type; absent where there were none. */
  skippedEvents?: Record<string, number>;
} & SessionChangeKind;

type SessionChangeKind =
  | { eventId: string; change: 'running' }
  /** The turn ended. `settled`: no event before this one has an effect any more; absent where that is not certain. */
  | { eventId: string; change: 'idle'; reason: string; settled?: true }
  /** The turn waits for an approval, or for another client: a custom tool. */
  | { eventId: string; change: 'waiting'; reason: string }
  | { eventId: string; change: 'terminated' | 'archived' | 'deleted' };

/** How many sandboxes of an account may run, and how fast they may be started; 0 is unlimited. */
export interface SlotLimits {
  running: number;
  startsPerSecond: number;
}

/** A workflow requests a slot for a running sandbox. */
export interface SlotRequest {
  /** Id of the workflow. */
  holder: string;
  environmentId: string;
  limits: SlotLimits;
  /** How many sandboxes of this environment may run; 0 is unlimited. */
  environmentLimit: number;
}

export interface SharedSandboxSettings {
  /** Milliseconds without use after which the sandbox is killed. */
  retentionMs: number;
  limited?: boolean;
  /** Outputs are copied before the sandbox is killed. */
  copyOutputs?: boolean;
}

export interface SharedSandboxStart {
  /** Names the sandbox, and its workflow: the environment, or an agent in it. */
  key: string;
  environmentId: string;
  settings: SharedSandboxSettings;
}

/** A session needs the shared sandbox running. */
export interface SharedSandboxRequest {
  /** Id of the session's workflow. */
  holder: string;
  sessionId: string;
  settings: SharedSandboxSettings;
}

/** A session no longer needs the shared sandbox. */
export interface SharedSandboxReturn {
  holder: string;
  sessionId: string;
  /** The session has ended: it will not come back. */
  ended: boolean;
}

export interface EnvironmentStart {
  environmentId: string;
  /** Milliseconds between two reconciles; five minutes if not given. */
  reconcileMs?: number;
}

/** Sent by sessions where claims are limited. */
export interface ClaimRequest {
  perMinute: number;
}

export const webhookReceivedSignal = defineSignal<[WebhookReceived]>('webhookReceived');
export const unattendedTurnFoundSignal = defineSignal<[UnattendedTurn]>('unattendedTurnFound');
export const workClaimedSignal = defineSignal<[WorkClaimed]>('workClaimed');
export const toolCallsRequestedSignal = defineSignal<[ToolCallsRequested]>('toolCallsRequested');
export const toolCallsClosedSignal = defineSignal<[ToolCallsClosed]>('toolCallsClosed');
export const sessionChangedSignal = defineSignal<[SessionChange]>('sessionChanged');

/** To all workflows, from a person who rolls out a build: those of another build go on in a new run, on the current one. */
export const buildChangedSignal = defineSignal('buildChanged');

/** To the workflow that counts running sandboxes, and its answers. */
export const slotRequestedSignal = defineSignal<[SlotRequest]>('slotRequested');
export const slotReturnedSignal = defineSignal<[{ holder: string }]>('slotReturned');
export const slotGrantedSignal = defineSignal('slotGranted');
/** `position` 1 is next. */
export const slotQueuedSignal = defineSignal<[{ position: number }]>('slotQueued');

/** To the workflow of a shared sandbox, and its answers. */
export const sharedSandboxRequestedSignal = defineSignal<[SharedSandboxRequest]>('sharedSandboxRequested');
export const sharedSandboxReturnedSignal = defineSignal<[SharedSandboxReturn]>('sharedSandboxReturned');
/** A session has found out that the sandbox no longer exists. */
export const sharedSandboxLostSignal = defineSignal<[{ sandboxId: string }]>('sharedSandboxLost');
export const sharedSandboxAssignedSignal = defineSignal<[{ sandboxId: string }]>('sharedSandboxAssigned');
export const sharedSandboxRefusedSignal = defineSignal<[{ reason: string }]>('sharedSandboxRefused');

/** To an environment's workflow. */
export const claimRequestedSignal = defineSignal<[ClaimRequest]>('claimRequested');

export interface SessionStatus {
  phase: string;
  /** Place in the queue for running sandboxes; absent unless it waits there. */
  waitingAt?: number;
  sandboxId: string | null;
  /** Id of the workflow of the sandbox, where it is shared. */
  sharedBy?: string;
  workId: string | null;
  /** `since`: RFC 3339, when the workflow learnt of the call; `preview`: at most 200 characters of its input. */
  openCalls: { id: string; name: string; state: string; preview: string; since: string }[];
  /** What needs a person's attention now; empty where nothing does. */
  attention: NeedsAttention[];
  /** Messages that were malformed. */
  malformedSignals?: number;
  /** Events of the session that this build does not know or cannot read, by type; absent where there are none. */
  skippedEvents?: Record<string, number>;
  turns: number;
  callsDone: number;
  /** RFC 3339; when the sandbox is killed if nothing happens. */
  retainUntil: string;
  /** Absent in the answer of an older build. */
  details?: SessionDetails;
}

/** Task queue of a worker that only replays a history, to learn the status that it ends in. */
export const STATUS_REPLAY = 'managed-agents-router-status-replay';

export const statusQuery = defineQuery<SessionStatus>('status');
/** Of a shared sandbox. */
export const sharedStatusQuery =
  defineQuery<Pick<SessionStatus, 'phase' | 'sandboxId' | 'waitingAt'>>('status');
