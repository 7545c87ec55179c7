// What Temporal knows of a session.
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { type SessionStatus, sessionWorkflowId, statusQuery } from '../workflows/messages.ts';
import type { World } from './world.ts';

export function workflowOf(world: World, sessionId: string): WorkflowHandle {
  return world.temporal.client.workflow.getHandle(sessionWorkflowId(sessionId));
}

export function statusOf(world: World, sessionId: string): Promise<SessionStatus> {
  return workflowOf(world, sessionId).query(statusQuery);
}

/** Page of the session's workflow in Temporal's UI. */
export function linkTo(world: World, sessionId: string): string {
  return `${world.uiUrl ?? ''}/namespaces/default/workflows/${sessionWorkflowId(sessionId)}`;
}

/** Process id of the worker that runs the session's tool call now, if one does. */
export async function workerOfCall(world: World, sessionId: string): Promise<number | null> {
  const described = await workflowOf(world, sessionId)
    .describe()
    .catch((error: unknown) => {
      // Its first webhook is still on the way.
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
