// Starts and signals the workflows of sessions, in the same way for webhook server, work queue and reconcile.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { SignalDefinition } from '@temporalio/common';
import {
  type DeploymentNames,
  inEnvironment,
  namesOf,
  SESSION_WATCH,
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
import { lacksSearchAttribute } from './search-attributes.ts';
import { temporalFault } from './temporal.ts';
import { withoutRetries } from './temporal-retries.ts';

/** PENDING_ACTIVITY_STATE_STARTED; once its cancellation is requested, the state is another one. */
const STARTED = 2;
/** Status code of gRPC. */
const NOT_FOUND = 5;

export interface Sessions {
  /** The input that a session's workflow is started with, apart from the session's id. */
  start: SessionEnvironment;
  /** Tells the session's workflow about a webhook; starts the workflow if there is none. */
  webhookReceived(sessionId: string, webhook: WebhookReceived): Promise<void>;
  /** Tells the session's workflow about a running turn without a work item; starts the workflow if there is none. */
  unattendedTurnFound(sessionId: string, turn: UnattendedTurn): Promise<void>;
  /** Hands a claimed work item to the session's workflow; starts the workflow if there is none. */
  workClaimed(sessionId: string, work: WorkClaimed): Promise<void>;
  /** Tells a running workflow about a webhook; returns false if no workflow runs. */
  webhookReceivedIfRunning(sessionId: string, webhook: WebhookReceived): Promise<boolean>;
  /**
   * Whether a watch follows the events of the session, as Temporal knows it. A watch that was asked to end does not count.
   * Reads only: Temporal writes nothing. Not repeated where Temporal refuses, which would cost the time of the signal.
   */
  isWatched(sessionId: string): Promise<boolean>;
  /** Tells a running workflow that its session was terminated, archived or deleted; false if no workflow runs. */
  sessionChangedIfRunning(sessionId: string, change: SessionChange): Promise<boolean>;
}

/** Every method resolves once Temporal has stored the message, and rejects with the client's error if it has not. */
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
    const send = (searchAttributes: boolean) =>
      client.workflow.signalWithStart<SessionWorkflow, [Message]>(SESSION_WORKFLOW, {
        workflowId: names.sessionWorkflowId(sessionId),
        taskQueue: names.taskQueue,
        args: [{ sessionId, ...start, settings: { ...start.settings, searchAttributes } }],
        signal,
        signalArgs: [message],
        staticSummary: `session ${sessionId}`,
        ...inEnvironment(start.environmentId, searchAttributes),
      });
    const { searchAttributes } = start.settings;
    try {
      await send(searchAttributes);
    } catch (error) {
      // Just registered: it takes seconds until every process of the server knows them. The workflow sets them once a
      // worker hands it the work item, with the settings of then.
      if (!searchAttributes || !lacksSearchAttribute(error)) throw error;
      await send(false);
    }
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
  const isWatched = async (sessionId: string): Promise<boolean> => {
    const execution = { workflowId: names.sessionWorkflowId(sessionId) };
    const { namespace } = client.options;
    try {
      // Not by the client, which would also decode the workflow's memo.
      const described = await withoutRetries(() =>
        client.workflowService.describeWorkflowExecution({ namespace, execution }),
      );
      return (described.pendingActivities ?? []).some(
        ({ activityType, state }) => activityType?.name === SESSION_WATCH && state === STARTED,
      );
    } catch (error) {
      if (temporalFault(error).code === NOT_FOUND) return false;
      throw error;
    }
  };
  return {
    start,
    isWatched,
    webhookReceived: (sessionId, webhook) => signalWithStart(sessionId, webhookReceivedSignal, webhook),
    unattendedTurnFound: (sessionId, turn) => signalWithStart(sessionId, unattendedTurnFoundSignal, turn),
    workClaimed: (sessionId, work) => signalWithStart(sessionId, workClaimedSignal, { ...work, start }),
    webhookReceivedIfRunning: (sessionId, webhook) =>
      signalRunning(sessionId, webhookReceivedSignal, webhook),
    sessionChangedIfRunning: (sessionId, change) => signalRunning(sessionId, sessionChangedSignal, change),
  };
}
