// Gathers what Temporal knows about a session: description, history, pollers, its environment's workflow. No worker is
// needed: the state comes from replaying the history, and only if that fails from a query.
import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { routerCommand } from '../../program-name.ts';
import { CommandError, EXIT } from '../command.ts';
import { findStatus } from '../session-status.ts';
import type { TemporalAccess } from '../temporal.ts';
import { findEnvironment } from './environment-evidence.ts';
import type { Evidence, Poller } from './evidence.ts';
import { decodeFailure, millis, readHistory, whyUnreadable } from './history.ts';

/** `TASK_QUEUE_TYPE_WORKFLOW` and `PENDING_…_STATE_…` of Temporal's API. */
const WORKFLOW_TASKS = 1;
const TASK_STARTED = 2;
const ACTIVITY_STARTED = 2;
const CANCEL_REQUESTED = 3;

const RUN_STATUS = {
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  CONTINUED_AS_NEW: 'continued',
  TIMED_OUT: 'timed out',
} as const;

/** @throws CommandError if there is no such session */
export async function gather(temporal: TemporalAccess, sessionId: string): Promise<Evidence> {
  const { client, names } = temporal;
  const handle = client.workflow.getHandle(names.sessionWorkflowId(sessionId));
  const described = await handle.describe().catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) throw unknownSession(temporal, sessionId);
    throw error;
  });
  const [history, pollers] = await Promise.all([handle.fetchHistory(), findPollers(temporal)]);
  const seen = await readHistory(client, history);
  const unreadable = await whyUnreadable(client, history);
  const found = await findStatus(
    temporal,
    handle.workflowId,
    async () => history,
    described.status.name === 'RUNNING',
  );
  const { status } = found;
  const missing = status || !unreadable ? found.missing : `its history is encrypted, and ${unreadable}`;
  const { raw, searchAttributes } = described;
  const attribute = (name: string) => String(searchAttributes[name]?.[0] ?? '') || null;
  const environmentId = status?.details?.environmentId || attribute('EnvironmentId');
  const info = raw.workflowExecutionInfo;
  return {
    sessionId,
    workflowId: handle.workflowId,
    taskQueue: names.taskQueue,
    now: Date.now(),
    run: {
      id: described.runId,
      status: RUN_STATUS[described.status.name as keyof typeof RUN_STATUS] ?? 'completed',
      startedAt: described.startTime.getTime(),
      closedAt: described.closeTime?.getTime() ?? null,
      reason: seen.closeReason,
      events: described.historyLength,
      buildId: info?.versioningInfo?.deploymentVersion?.buildId || null,
      lastEventAt: seen.lastEventAt,
    },
    status,
    keyMissing: unreadable !== null,
    statusMissing: missing,
    attributes: {
      phase: attribute('SessionPhase'),
      environmentId,
      sandboxId: status ? status.sandboxId : attribute('SandboxId'),
    },
    activities: await Promise.all(
      (raw.pendingActivities ?? []).map(async (activity) => {
        const nextAttemptAt = millis(activity.nextAttemptScheduleTime);
        const running = activity.state === ACTIVITY_STARTED;
        const paused = nextAttemptAt !== null && nextAttemptAt > Date.now();
        return {
          name: activity.activityType?.name ?? '',
          state: running
            ? ('running' as const)
            : activity.state === CANCEL_REQUESTED
              ? ('cancelling' as const)
              : paused
                ? ('paused' as const)
                : ('waiting' as const),
          attempt: activity.attempt ?? 1,
          since: seen.askedAt.get(activity.activityId ?? '') ?? null,
          startedAt: running ? millis(activity.lastStartedTime) : null,
          nextAttemptAt: paused ? nextAttemptAt : null,
          lastFailure: await decodeFailure(client, activity.lastFailure),
          worker: activity.lastWorkerIdentity ?? '',
        };
      }),
    ),
    workflowTask: raw.pendingWorkflowTask
      ? {
          state: raw.pendingWorkflowTask.state === TASK_STARTED ? 'running' : 'waiting',
          attempt: raw.pendingWorkflowTask.attempt ?? 1,
          since:
            millis(raw.pendingWorkflowTask.originalScheduledTime) ??
            millis(raw.pendingWorkflowTask.scheduledTime) ??
            seen.lastEventAt,
        }
      : null,
    taskFailure: seen.taskFailure,
    slotAskedAt: seen.slotAskedAt,
    pollers,
    environment: environmentId ? await findEnvironment(temporal, environmentId) : null,
  };
}

export function unknownSession(
  { namespace, address, names }: TemporalAccess,
  sessionId: string,
): CommandError {
  return new CommandError(
    `There is no session ${sessionId} in deployment ${names.deployment} (namespace ${namespace} at ${address}). ` +
      'Either no webhook and no work item of it has reached the router yet, or it ended and Temporal has deleted its ' +
      `history, or TEMPORAL_NAMESPACE or ROUTER_DEPLOYMENT names another router; "${routerCommand('sessions list --all')}" shows what there is`,
    EXIT.notFound,
  );
}

async function findPollers({ connection, namespace, names }: TemporalAccess): Promise<Poller[]> {
  const request = { namespace, taskQueue: { name: names.taskQueue }, taskQueueType: WORKFLOW_TASKS };
  const { pollers } = await connection.workflowService.describeTaskQueue(request).catch((error: unknown) => {
    if (isGrpcServiceError(error)) return { pollers: [] };
    throw error;
  });
  return (pollers ?? []).map(({ identity, lastAccessTime, deploymentOptions }) => ({
    identity: identity ?? '',
    lastSeenAt: millis(lastAccessTime) ?? 0,
    buildId: deploymentOptions?.buildId || null,
  }));
}
