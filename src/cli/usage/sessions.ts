// The sessions of a deployment as Temporal's visibility knows them, page by page; no worker needs to run.
import { decodeMapFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import {
  AgentIdAttribute,
  EnvironmentIdAttribute,
  SESSION_WORKFLOW,
  type SessionUse,
  USE_MEMO,
} from '../../../workflows/messages.ts';
import type { TemporalAccess } from '../temporal.ts';
import type { Window } from './running-time.ts';

const PAGE = 200;

/** One workflow of a session: a session whose workflow ended may have had another one. */
export interface KnownSession {
  sessionId: string;
  running: boolean;
  environmentId: string | null;
  agentId: string | null;
  /** Epoch ms; of the present run where nothing else is known. */
  startedAt: number;
  /** Absent before the end of the first turn, and where it cannot be decrypted. */
  use?: SessionUse;
}

/** Sessions that ended before the window are left out. @throws the gRPC error */
export async function* listSessions(
  { connection, client, namespace, names }: TemporalAccess,
  { since, until }: Window,
): AsyncGenerator<KnownSession[]> {
  const prefix = names.sessionWorkflowId('');
  const query = [
    `WorkflowType = '${SESSION_WORKFLOW}'`,
    `TaskQueue = '${names.taskQueue}'`,
    // The last run has the figures of all runs before it.
    `ExecutionStatus != 'ContinuedAsNew'`,
    `(ExecutionStatus = 'Running' OR CloseTime >= '${new Date(since).toISOString()}')`,
  ].join(' AND ');
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const page = await connection.workflowService.listWorkflowExecutions({
      namespace,
      pageSize: PAGE,
      query,
      ...(nextPageToken ? { nextPageToken } : {}),
    });
    const sessions = await Promise.all(
      page.executions.map(async ({ execution, status, searchAttributes, memo, startTime }) => {
        const attribute = (name: string) => textOf(searchAttributes?.indexedFields?.[name]?.data);
        const use = await decodedUse(memo?.fields, client.options.loadedDataConverter);
        const startedAt = use ? Date.parse(use.startedAt) : Number(startTime?.seconds ?? 0) * 1000;
        return {
          sessionId: (execution?.workflowId ?? '').slice(prefix.length),
          running: status === RUNNING,
          environmentId: attribute(EnvironmentIdAttribute.name),
          agentId: attribute(AgentIdAttribute.name),
          startedAt,
          ...(use ? { use } : {}),
        };
      }),
    );
    yield sessions.filter(({ startedAt }) => startedAt < until);
    nextPageToken = page.nextPageToken;
  } while (nextPageToken?.length);
}

/** `WorkflowExecutionStatus` of Temporal's API. */
const RUNNING = 1;

type Converter = Parameters<typeof decodeMapFromPayloads>[0];
type Fields = Parameters<typeof decodeMapFromPayloads>[1];

async function decodedUse(fields: Fields, converter: Converter): Promise<SessionUse | undefined> {
  try {
    return (await decodeMapFromPayloads(converter, fields))?.[USE_MEMO] as SessionUse | undefined;
  } catch {
    // Encrypted with a key that is not here: the rest is known all the same.
    return undefined;
  }
}

function textOf(data: Uint8Array | null | undefined): string | null {
  if (!data?.length) return null;
  const value: unknown = JSON.parse(Buffer.from(data).toString());
  return typeof value === 'string' ? value : null;
}
