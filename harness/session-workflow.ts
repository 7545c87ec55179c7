// Reads the state of a session from Temporal.
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { type SessionStatus, statusQuery } from '../workflows/messages.ts';
import type { World } from './world.ts';

/** @param runId default: the latest run */
export function workflowOf(world: World, sessionId: string, runId?: string): WorkflowHandle {
  return world.temporal.client.workflow.getHandle(world.names.sessionWorkflowId(sessionId), runId);
}

export function statusOf(world: World, sessionId: string): Promise<SessionStatus> {
  return workflowOf(world, sessionId).query(statusQuery);
}

/** URL of the session's workflow in Temporal's UI. */
export function workflowUrl(world: World, sessionId: string): string {
  return `${world.uiUrl ?? ''}/namespaces/${world.namespace}/workflows/${world.names.sessionWorkflowId(sessionId)}`;
}

/** Process id of the worker that is running the session's tool call; null if there is none. */
export async function workerOfCall(world: World, sessionId: string): Promise<number | null> {
  const described = await workflowOf(world, sessionId)
    .describe()
    .catch((error: unknown) => {
      // The workflow does not exist before the first webhook arrives.
      if (error instanceof WorkflowNotFoundError) return null;
      throw error;
    });
  const call = described?.raw.pendingActivities?.find(
    ({ activityType, state }) => activityType?.name === 'runToolCall' && state === STARTED,
  );
  const pid = pidOf(call?.lastWorkerIdentity);
  return Number.isNaN(pid) ? null : pid;
}

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;

/** Process id of a worker; its identity is `<process id>@<host>`. */
export function pidOf(identity: string | null | undefined): number {
  return Number.parseInt(identity ?? '', 10);
}
