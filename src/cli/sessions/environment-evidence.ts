// Whether the workflow of a session's environment runs, and can watch the queue of work.
import { WorkflowNotFoundError } from '@temporalio/client';
import { DRAINED_MEMO } from '../../../workflows/messages.ts';
import type { TemporalAccess } from '../temporal.ts';
import type { Evidence } from './evidence.ts';
import { decodeFailure, millis } from './history.ts';

/** Of the newest events: they reach back over the last watch. */
const NEWEST = 100;

export async function findEnvironment(
  { client, connection, namespace, names }: TemporalAccess,
  id: string,
): Promise<NonNullable<Evidence['environment']>> {
  const handle = client.workflow.getHandle(names.environmentWorkflowId(id));
  const described = await handle.describe().catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  });
  if (described?.status.name !== 'RUNNING') return { id, running: false, drainedSince: null, failure: null };
  const drainedSince = drainedSinceOf(described.memo);
  for (const activity of described.raw.pendingActivities ?? []) {
    const failure = await decodeFailure(client, activity.lastFailure);
    if (failure && ['watchQueue', 'claimWork'].includes(activity.activityType?.name ?? ''))
      return {
        id,
        running: true,
        drainedSince,
        failure: { ...failure, since: millis(activity.lastAttemptCompleteTime) },
      };
    // The watch is at work.
    if (activity.activityType?.name === 'watchQueue')
      return { id, running: true, drainedSince, failure: null };
  }
  // Between two watches: the last one may have ended with a failure that no retry can mend.
  const { history } = await connection.workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId: handle.workflowId },
    maximumPageSize: NEWEST,
  });
  for (const event of history?.events ?? []) {
    const failed = event.activityTaskFailedEventAttributes;
    if (failed) {
      const failure = await decodeFailure(client, failed.failure);
      if (failure)
        return { id, running: true, drainedSince, failure: { ...failure, since: millis(event.eventTime) } };
    }
    if (event.activityTaskCompletedEventAttributes) break;
  }
  return { id, running: true, drainedSince, failure: null };
}

/** From the memo of an environment's workflow, which any program with access to the namespace can write. */
export function drainedSinceOf(memo: Record<string, unknown> | undefined): string | null {
  const since = memo?.[DRAINED_MEMO];
  return typeof since === 'string' && !Number.isNaN(Date.parse(since)) ? since : null;
}
