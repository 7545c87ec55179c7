// How a session's workflow is reached: the same start and signals from the webhook, the claim and the reconcile.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import {
  type DeploymentNames,
  EnvironmentIdAttribute,
  namesOf,
  SESSION_WORKFLOW,
  type SessionChange,
  type SessionEnvironment,
  sessionChangedSignal,
  type Wake,
  type WorkClaimed,
  wakeSignal,
  workClaimedSignal,
} from '../../workflows/messages.ts';

export interface Sessions {
  /** How they are started. */
  start: SessionEnvironment;
  /** Signals the session's workflow, and starts it if there is none. */
  wake(sessionId: string, wake: Wake): Promise<void>;
  /** Hands a work item to its session's workflow, which is started if there is none. */
  workClaimed(sessionId: string, work: WorkClaimed): Promise<void>;
  /** Signals an existing workflow only; false if there is none. */
  nudge(sessionId: string, wake: Wake): Promise<boolean>;
  /** Tells an existing workflow only that its session has changed; false if there is none. */
  notify(sessionId: string, change: SessionChange): Promise<boolean>;
}

/** All calls resolve when Temporal holds the message, and reject with its gRPC error when it does not. */
export function createSessions(
  client: Client,
  start: SessionEnvironment,
  names: DeploymentNames = namesOf(),
): Sessions {
  const signalWithStart = async (sessionId: string, signal: string, message: unknown): Promise<void> => {
    await client.workflow.signalWithStart(SESSION_WORKFLOW, {
      workflowId: names.sessionWorkflowId(sessionId),
      taskQueue: names.taskQueue,
      args: [{ sessionId, ...start }],
      signal,
      signalArgs: [message],
      staticSummary: `session ${sessionId}`,
      ...(start.settings.searchAttributes && start.environmentId
        ? { typedSearchAttributes: [{ key: EnvironmentIdAttribute, value: start.environmentId }] }
        : {}),
    });
  };
  const signalExisting = async (sessionId: string, signal: string, message: unknown): Promise<boolean> => {
    try {
      await client.workflow.getHandle(names.sessionWorkflowId(sessionId)).signal(signal, message);
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
  return {
    start,
    wake: (sessionId, wake) => signalWithStart(sessionId, wakeSignal.name, wake),
    workClaimed: (sessionId, work) => signalWithStart(sessionId, workClaimedSignal.name, { ...work, start }),
    nudge: (sessionId, wake) => signalExisting(sessionId, wakeSignal.name, wake),
    notify: (sessionId, change) => signalExisting(sessionId, sessionChangedSignal.name, change),
  };
}
