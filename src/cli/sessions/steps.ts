// A session's history as people follow it: what reached the session, and each step with its end.
import type { Client } from '@temporalio/client';
import {
  buildChangedSignal,
  SessionPhaseAttribute,
  sessionChangedSignal,
  slotGrantedSignal,
  slotQueuedSignal,
  toolCallsClosedSignal,
  toolCallsRequestedSignal,
  unattendedTurnFoundSignal,
  webhookReceivedSignal,
  workClaimedSignal,
} from '../../../workflows/messages.ts';
import { decode, decodeFailure, type HistoryEvent, millis, type Payloads, taskFailureOf } from './history.ts';

export interface Step {
  /** RFC 3339. */
  at: string;
  /** Id of the event in the run's history. */
  event: number;
  kind: 'run' | 'message' | 'phase' | 'begun' | 'done' | 'failed' | 'asked' | 'ended';
  text: string;
}

type Message = Record<string, unknown>;
type Payload = Payloads[number];

/** What each signal says. Its content comes from any program with access to the namespace. */
const MESSAGES: Record<string, (message: Message) => string> = {
  [webhookReceivedSignal.name]: ({ type }) => `webhook ${type}`,
  [workClaimedSignal.name]: ({ workId }) => `work item ${workId} claimed`,
  [unattendedTurnFoundSignal.name]: () => 'a turn without a work item was found by the reconcile',
  [toolCallsRequestedSignal.name]: ({ calls }) => `calls requested: ${list(calls).map(callText).join('; ')}`,
  [toolCallsClosedSignal.name]: ({ callIds, why }) => `calls closed (${why}): ${list(callIds).join(', ')}`,
  [sessionChangedSignal.name]: ({ change, reason }) =>
    `session ${change}${typeof reason === 'string' ? ` (${reason})` : ''}`,
  [slotQueuedSignal.name]: ({ position }) => `waits for a slot, position ${position}`,
  [slotGrantedSignal.name]: () => 'slot granted',
  [buildChangedSignal.name]: () => 'the current build of the workers has changed',
};

/** Reads the events of one run after the other, in order. */
export class Steps {
  readonly #client: Client;
  /** Event id of an activity's beginning → what it is. */
  readonly #activities = new Map<string, string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** @returns null for an event that says nothing to people */
  async read(event: HistoryEvent): Promise<Step | null> {
    const said = await this.#say(event);
    if (!said) return null;
    const [kind, text] = said;
    return {
      at: new Date(millis(event.eventTime) ?? 0).toISOString(),
      event: Number(event.eventId ?? 0),
      kind,
      text,
    };
  }

  async #say(event: HistoryEvent): Promise<[Step['kind'], string] | null> {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      const what =
        (await this.#text(event.userMetadata?.summary)) ?? scheduled.activityType?.name ?? 'a step';
      this.#activities.set(String(event.eventId), what);
      return ['begun', what];
    }
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed) return ['done', this.#endOf(completed.scheduledEventId)];
    const cancelled = event.activityTaskCanceledEventAttributes;
    if (cancelled) return ['done', `${this.#endOf(cancelled.scheduledEventId)} (recalled)`];
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (failed)
      return ['failed', `${this.#endOf(failed.scheduledEventId)}: ${await this.#reason(failed.failure)}`];
    const signaled = event.workflowExecutionSignaledEventAttributes;
    if (signaled) {
      const [message] = await decode(this.#client, signaled.input?.payloads ?? []);
      const text = MESSAGES[signaled.signalName ?? ''];
      return ['message', text ? text(Object(message)) : `signal ${signaled.signalName}`];
    }
    const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
    if (update) return ['asked', `${update.input?.name} by ${update.meta?.identity || 'unknown'}`];
    const phase = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields;
    if (phase?.[SessionPhaseAttribute.name])
      return ['phase', String(jsonOf(phase[SessionPhaseAttribute.name]))];
    return this.#boundary(event);
  }

  async #boundary(event: HistoryEvent): Promise<[Step['kind'], string] | null> {
    if (event.workflowExecutionStartedEventAttributes) return ['run', 'a run of the workflow has started'];
    if (event.workflowExecutionContinuedAsNewEventAttributes) return ['run', 'continued in a new run'];
    const completed = event.workflowExecutionCompletedEventAttributes;
    if (completed) {
      const [reason] = await decode(this.#client, completed.result?.payloads ?? []);
      return ['ended', `ended: ${reason}`];
    }
    const failed = event.workflowExecutionFailedEventAttributes;
    if (failed) return ['ended', `workflow failed: ${await this.#reason(failed.failure)}`];
    const taskFailed = taskFailureOf(event);
    if (taskFailed) return ['failed', `workflow task: ${await this.#reason(taskFailed.failure)}`];
    const terminated = event.workflowExecutionTerminatedEventAttributes;
    if (terminated)
      return ['ended', `terminated by ${terminated.identity || 'a person'}: ${terminated.reason}`];
    if (event.workflowExecutionCanceledEventAttributes) return ['ended', 'cancelled'];
    if (event.workflowExecutionTimedOutEventAttributes) return ['ended', 'timed out'];
    return null;
  }

  #endOf(scheduledEventId: unknown): string {
    const id = String(scheduledEventId);
    const what = this.#activities.get(id) ?? 'a step';
    this.#activities.delete(id);
    return what;
  }

  async #reason(failure: Parameters<typeof decodeFailure>[1]): Promise<string> {
    return (await decodeFailure(this.#client, failure))?.message || 'no reason given';
  }

  async #text(payload: Payload | null | undefined): Promise<string | null> {
    if (!payload) return null;
    const [text] = await decode(this.#client, [payload]);
    return typeof text === 'string' ? text : null;
  }
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function callText(call: unknown): string {
  const { name, preview, awaitingApproval } = Object(call);
  return `${name} ${preview}${awaitingApproval ? ' (waits for approval)' : ''}`;
}

function jsonOf(payload: Payload | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(payload?.data ?? []).toString());
  } catch {
    return undefined;
  }
}
