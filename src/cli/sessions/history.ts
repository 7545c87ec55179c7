// What a session's history tells that its description does not: since when, and why tasks failed.
import type { Client, WorkflowHandle } from '@temporalio/client';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { slotGrantedSignal } from '../../../workflows/messages.ts';
import { isEncrypted } from '../../payload-codec/encryption-codec.ts';
import type { Failure } from './evidence.ts';

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
export type HistoryEvent = NonNullable<History['events']>[number];
type ProtoFailure = Parameters<typeof decodeOptionalFailureToOptionalError>[1];
type Timestamp = { seconds?: unknown; nanos?: number | null } | null | undefined;

const MESSAGE_CHARS = 500;
/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR` */
const NON_DETERMINISTIC = 24;
/** `WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND` */
const UNHANDLED_COMMAND = 1;

export interface FromHistory {
  /** Epoch ms. */
  lastEventAt: number;
  /** Activity id → epoch ms at which it was asked for. */
  askedAt: Map<string, number>;
  taskFailure: { cause: string; message: string; since: number } | null;
  slotAskedAt: number | null;
  closeReason: string | null;
}

/**
 * The failure of a workflow task, if the event tells of one. Where a signal arrives while a workflow ends or continues as
 * new, the server writes a failure, too ("unhandled command") and gives the task out again: no failure of ours.
 */
export function taskFailureOf(event: HistoryEvent): HistoryEvent['workflowTaskFailedEventAttributes'] {
  const failed = event.workflowTaskFailedEventAttributes;
  return failed?.cause === UNHANDLED_COMMAND ? null : failed;
}

export async function readHistory(client: Client, { events }: History): Promise<FromHistory> {
  const seen: FromHistory = {
    lastEventAt: 0,
    askedAt: new Map(),
    taskFailure: null,
    slotAskedAt: null,
    closeReason: null,
  };
  for (const event of events ?? []) {
    const at = millis(event.eventTime) ?? seen.lastEventAt;
    seen.lastEventAt = at;
    const asked = event.activityTaskScheduledEventAttributes;
    if (asked) seen.askedAt.set(asked.activityId ?? '', at);
    if (asked?.activityType?.name === 'requestSlot') seen.slotAskedAt ??= at;
    if (event.workflowExecutionSignaledEventAttributes?.signalName === slotGrantedSignal.name)
      seen.slotAskedAt = null;
    if (event.workflowTaskCompletedEventAttributes) seen.taskFailure = null;
    const failed = taskFailureOf(event);
    if (failed && !seen.taskFailure)
      seen.taskFailure = {
        cause: failed.cause === NON_DETERMINISTIC ? 'non-determinism' : 'error',
        message: (await decodeFailure(client, failed.failure))?.message ?? '',
        since: at,
      };
    seen.closeReason ??= await closeReasonOf(client, event);
  }
  return seen;
}

async function closeReasonOf(client: Client, event: HistoryEvent): Promise<string | null> {
  const { result } = event.workflowExecutionCompletedEventAttributes ?? {};
  if (result) {
    const [payload] = await decode(client, result.payloads ?? []);
    return typeof payload === 'string' ? payload : null;
  }
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) return terminated.reason || null;
  const failed = event.workflowExecutionFailedEventAttributes;
  return failed ? ((await decodeFailure(client, failed.failure))?.message ?? null) : null;
}

export type Payloads = NonNullable<
  NonNullable<NonNullable<HistoryEvent['workflowExecutionCompletedEventAttributes']>['result']>['payloads']
>;

/** The values of payloads; those that cannot be read are left out. */
export async function decode({ options }: Client, payloads: Payloads): Promise<unknown[]> {
  const { payloadConverter, payloadCodecs } = options.loadedDataConverter;
  let encoded = payloads;
  try {
    for (const codec of payloadCodecs) encoded = await codec.decode(encoded);
    return encoded.map((payload) => payloadConverter.fromPayload(payload));
  } catch {
    return [];
  }
}

/** Why the history cannot be decrypted here; null if nothing of it is encrypted, or its keys are here. */
export async function whyUnreadable({ options }: Client, { events }: History): Promise<string | null> {
  const { payloadCodecs } = options.loadedDataConverter;
  // A run that began before the encryption was turned on has encrypted results, and a clear start.
  const encrypted = [...payloadsIn(events)].filter(isEncrypted);
  if (encrypted.length > 0 && payloadCodecs.length === 0) return 'no folder of keys is set';
  try {
    for (const codec of payloadCodecs) await codec.decode(encrypted);
    return null;
  } catch (error) {
    return (error as Error).message.slice(0, MESSAGE_CHARS);
  }
}

function* payloadsIn(value: unknown): Generator<Payloads[number]> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if ('metadata' in value && 'data' in value) yield value as Payloads[number];
  else for (const part of Object.values(value)) yield* payloadsIn(part);
}

/** The innermost failure: what happened, not Temporal's wrapping. Bounded. */
export async function decodeFailure({ options }: Client, failure: ProtoFailure): Promise<Failure | null> {
  if (!failure) return null;
  const decoded = await decodeOptionalFailureToOptionalError(options.loadedDataConverter, failure).catch(
    () => undefined,
  );
  const { message = '', type } = (decoded ?? failure) as { message?: string; type?: unknown };
  return { type: typeof type === 'string' ? type : '', message: message.slice(0, MESSAGE_CHARS) };
}

/** Epoch ms. */
export function millis(time: Timestamp): number | null {
  if (!time?.seconds) return null;
  return Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
}
