// What is known about a session when its state is to be explained. Gathered by gather.ts, read by diagnose.ts. Pure.
import type { SessionStatus } from '../../../workflows/messages.ts';
import { routerCommand } from '../../program-name.ts';

export interface Failure {
  /** Of an activity's failure: `final`, `retry` or `credential refused`. */
  type: string;
  message: string;
}

export interface PendingActivity {
  name: string;
  /** `waiting`: no worker has taken the attempt yet. `paused`: between two attempts. */
  state: 'running' | 'waiting' | 'paused' | 'cancelling';
  attempt: number;
  /** Epoch ms at which the workflow asked for it; null if unknown. */
  since: number | null;
  /** Epoch ms of the present attempt, if it has begun. */
  startedAt: number | null;
  nextAttemptAt: number | null;
  lastFailure: Failure | null;
  worker: string;
}

/** A worker that has polled for workflow tasks lately. */
export interface Poller {
  identity: string;
  /** Epoch ms. */
  lastSeenAt: number;
  buildId: string | null;
}

export interface Evidence {
  sessionId: string;
  workflowId: string;
  taskQueue: string;
  /** Epoch ms of the observation. */
  now: number;
  run: {
    id: string;
    status: 'running' | 'completed' | 'failed' | 'cancelled' | 'terminated' | 'continued' | 'timed out';
    startedAt: number;
    closedAt: number | null;
    /** Why it closed, where it did. */
    reason: string | null;
    events: number;
    /** The build that the run is pinned to; null where workers are not versioned. */
    buildId: string | null;
    /** Epoch ms. */
    lastEventAt: number;
  };
  /** The workflow's state; null where it could not be learned. */
  status: SessionStatus | null;
  /** The history is encrypted, and not with a key that is here. */
  keyMissing: boolean;
  /** Why `status` is missing. */
  statusMissing: string | null;
  /** From search attributes; null where unknown. */
  attributes: { phase: string | null; environmentId: string | null; sandboxId: string | null };
  activities: PendingActivity[];
  /** A workflow task that is waited for. */
  workflowTask: { state: 'waiting' | 'running'; attempt: number; since: number } | null;
  /** The first failure of workflow tasks since the last one that succeeded. */
  taskFailure: { cause: string; message: string; since: number } | null;
  /** Epoch ms at which a slot for a sandbox was asked for that has not been granted. */
  slotAskedAt: number | null;
  pollers: Poller[];
  /** The environment's workflow; null where the environment is unknown. */
  environment: {
    id: string;
    running: boolean;
    /** RFC 3339; a person has drained it. */
    drainedSince: string | null;
    /** Why the queue of work cannot be watched; null where it is. */
    failure: (Failure & { since: number | null }) | null;
  } | null;
}

export interface Diagnosis {
  /** One fixed word or two for scripts. */
  kind: string;
  /** Whether something is wrong. */
  trouble: boolean;
  waitingFor: string;
  /** Epoch ms; null where nothing tells. */
  since: number | null;
  /** What would move it. */
  cure: string;
}

/** A command of this program as a cure names it: to be copied, between backticks. */
export function command(line: string): string {
  return `\`${routerCommand(line)}\``;
}

/** A worker asks for tasks at least once a minute. */
const POLLED_WITHIN_MS = 65_000;

/** The workers that could take this session's workflow tasks now. */
export function livePollers({ pollers, now, run }: Evidence): Poller[] {
  return pollers.filter(
    ({ lastSeenAt, buildId }) =>
      now - lastSeenAt < POLLED_WITHIN_MS && (run.buildId === null || buildId === run.buildId),
  );
}

export function pendingOf({ activities }: Evidence, ...names: string[]): PendingActivity | undefined {
  return activities.find(({ name }) => names.includes(name));
}
