// How a session's workflow is reached: the same start and signals for the webhook, the claim and the reconcile.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { SignalDefinition } from '@temporalio/common';
import {
  type DeploymentNames,
  EnvironmentIdAttribute,
  namesOf,
  SESSION_WORKFLOW,
  type SessionChange,
  type SessionEnvironment,
  sessionChangedSignal,
  type UnattendedTurn,
  unattendedTurnFoundSignal,
  type WebhookReceived,
  type WorkClaimed,
  type Workflows,
  webhookReceivedSignal,
  workClaimedSignal,
} from '../../workflows/messages.ts';

export interface Sessions {
  /** How they are started. */
  start: SessionEnvironment;
  /** Tells the session's workflow of a webhook; it is started if there is none. */
  webhookReceived(sessionId: string, webhook: WebhookReceived): Promise<void>;
  /** Tells the workflow of a turn under way without a work item; it is started if there is none. */
  unattendedTurnFound(sessionId: string, turn: UnattendedTurn): Promise<void>;
  /** Hands a work item to its session's workflow, which is started if there is none. */
  workClaimed(sessionId: string, work: WorkClaimed): Promise<void>;
  /** Tells a running workflow of a webhook; false if none runs. */
  webhookReceivedIfRunning(sessionId: string, webhook: WebhookReceived): Promise<boolean>;
  /** Tells a running workflow that its session has changed; false if none runs. */
  sessionChangedIfRunning(sessionId: string, change: SessionChange): Promise<boolean>;
}

/** All calls resolve when Temporal holds the message, and reject with its gRPC error when it does not. */
export function createSessions(
  client: Client,
  start: SessionEnvironment,
  names: DeploymentNames = namesOf(),
): Sessions {
  type SessionWorkflow = Workflows[typeof SESSION_WORKFLOW];
  const signalWithStart = async <Message>(
    sessionId: string,
    signal: SignalDefinition<[Message]>,
    message: Message,
  ): Promise<void> => {
    await client.workflow.signalWithStart<SessionWorkflow, [Message]>(SESSION_WORKFLOW, {
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
  const signalRunning = async <Message>(
    sessionId: string,
    signal: SignalDefinition<[Message]>,
    message: Message,
  ): Promise<boolean> => {
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
    webhookReceived: (sessionId, webhook) => signalWithStart(sessionId, webhookReceivedSignal, webhook),
    unattendedTurnFound: (sessionId, turn) => signalWithStart(sessionId, unattendedTurnFoundSignal, turn),
    workClaimed: (sessionId, work) => signalWithStart(sessionId, workClaimedSignal, { ...work, start }),
    webhookReceivedIfRunning: (sessionId, webhook) =>
      signalRunning(sessionId, webhookReceivedSignal, webhook),
    sessionChangedIfRunning: (sessionId, change) => signalRunning(sessionId, sessionChangedSignal, change),
  };
}
