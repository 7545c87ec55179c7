// Whether a workflow wants a long activity to end. The activity learns of that by its next heartbeat, which may be half a minute
// away; this asks Temporal, which writes nothing and bills nothing for it.
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';

/** PENDING_ACTIVITY_STATE_CANCEL_REQUESTED */
const CANCEL_REQUESTED = 3;

/** False also where Temporal does not answer: the next heartbeat finds out. */
export async function isRecalled(temporal: Client): Promise<boolean> {
  const { activityId, workflowExecution } = Context.current().info;
  const { workflowId = '', runId } = workflowExecution ?? {};
  try {
    const { raw } = await temporal.workflow.getHandle(workflowId, runId).describe();
    const self = raw.pendingActivities?.find((one) => one.activityId === activityId);
    return self?.state === CANCEL_REQUESTED;
  } catch {
    return false;
  }
}
