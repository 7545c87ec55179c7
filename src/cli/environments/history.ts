// The last reconcile, from the history of an environment's workflow.
import type { Client } from '@temporalio/client';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { TemporalAccess } from '../temporal.ts';

export interface Reconcile {
  /** RFC 3339. */
  at: string;
  /** What it found and repaired; empty where all was in order. */
  findings: string[];
  failure: string | null;
}

type Failure = Parameters<typeof decodeOptionalFailureToOptionalError>[1];

const RECONCILE = 'reconcile';
/** A run is continued as new about once an hour, so the last reconcile is in the latest run or in the one before. */
const RUNS = 2;
const PAGE = 200;
const PAGES = 10;
const MESSAGE_CHARS = 500;

export async function readLastReconcile(
  temporal: TemporalAccess,
  workflowId: string,
  latestRun: string,
): Promise<Reconcile | null> {
  let runId: string | undefined = latestRun;
  for (let run = 0; run < RUNS && runId; run += 1) {
    const found: { reconcile: Reconcile | null; continues?: string | undefined } = await inRun(
      temporal,
      workflowId,
      runId,
    );
    if (found.reconcile) return found.reconcile;
    runId = found.continues;
  }
  return null;
}

/** Reads backwards: each end of an activity is met before its beginning. */
async function inRun({ client, connection, namespace }: TemporalAccess, workflowId: string, runId: string) {
  const ends = new Map<string, () => Promise<Reconcile>>();
  let nextPageToken: Uint8Array | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await connection.workflowService.getWorkflowExecutionHistoryReverse({
      namespace,
      execution: { workflowId, runId },
      maximumPageSize: PAGE,
      ...(nextPageToken ? { nextPageToken } : {}),
    });
    for (const event of answer.history?.events ?? []) {
      const at = new Date(millis(event.eventTime) ?? 0).toISOString();
      const completed = event.activityTaskCompletedEventAttributes;
      const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
      const closed = completed ?? failed;
      if (closed)
        ends.set(String(closed.scheduledEventId), async () => ({
          at,
          findings: completed ? await findingsIn(client, completed.result?.payloads) : [],
          failure: failed ? ((await failureText(client, failed.failure)) ?? 'failed') : null,
        }));
      const end = ends.get(String(event.eventId));
      if (event.activityTaskScheduledEventAttributes?.activityType?.name === RECONCILE && end)
        return { reconcile: await end() };
      const started = event.workflowExecutionStartedEventAttributes;
      if (started) return { reconcile: null, continues: started.continuedExecutionRunId || undefined };
    }
    if (!answer.nextPageToken?.length) break;
    nextPageToken = answer.nextPageToken;
  }
  return { reconcile: null };
}

async function findingsIn(
  { options }: Client,
  payloads: Parameters<typeof decodeArrayFromPayloads>[1],
): Promise<string[]> {
  try {
    const [findings] = await decodeArrayFromPayloads(options.loadedDataConverter, payloads);
    return Array.isArray(findings) ? findings.map(String) : [];
  } catch {
    return ['(encrypted: set TEMPORAL_ENCRYPTION_KEY_FOLDER to read it)'];
  }
}

/** What happened, without Temporal's wrapping. Bounded. */
export async function failureText({ options }: Client, failure: Failure): Promise<string | null> {
  if (!failure) return null;
  const error = await decodeOptionalFailureToOptionalError(options.loadedDataConverter, failure).catch(
    () => undefined,
  );
  return (error?.message ?? failure.message ?? '').slice(0, MESSAGE_CHARS);
}

/** Epoch ms. */
export function millis(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number | null {
  if (!time?.seconds) return null;
  return Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
}
