// `sessions list`: the sessions of the deployment as Temporal's visibility knows them; no worker needs to run.
import { isGrpcServiceError } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import {
  AgentIdAttribute,
  EnvironmentIdAttribute,
  SandboxIdAttribute,
  SessionAttentionAttribute,
  SessionPhaseAttribute,
} from '../../../workflows/messages.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import type { Column, Output } from '../output.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { parseAge, relative } from '../times.ts';
import { attributeText } from '../visibility.ts';
import { attributeValue, type SessionFilters, visibilityQuery } from './query.ts';

/** Columns of the terminal from which on the sandbox and the environment fit, too. */
const WIDE = 110;
const MOST = 1_000;
/** gRPC: visibility does not know a search attribute of the query. */
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

interface ListOptions extends SessionFilters {
  limit: number;
  page?: string;
}

/** One session as printed with `--json`; null where nothing is known. */
interface SessionRow {
  sessionId: string;
  /** While the workflow runs: its phase; afterwards: how it ended. */
  phase: string;
  running: boolean;
  environmentId: string | null;
  agentId: string | null;
  sandboxId: string | null;
  attention: string | null;
  /** RFC 3339; of the workflow's present run: a long history is continued in a new run. */
  startedAt: string;
}

export function addListCommand(sessions: Command, context: CommandContext): void {
  sessions
    .command('list')
    .description('list the sessions that the router knows; needs no running worker')
    .option(
      '--phase <phase>',
      'only sessions in this phase, for example "waiting for approval"',
      attributeValue,
    )
    .option('--agent <id>', 'only sessions of this agent', attributeValue)
    .option('--environment <id>', 'only sessions of this environment', attributeValue)
    .option('--attention', 'only sessions that need a person')
    .option('--older-than <age>', 'only sessions whose run started longer ago, for example 2h', parseAge)
    .option('--newer-than <age>', 'only sessions whose run started since, for example 15m', parseAge)
    .option('--all', 'also sessions whose workflows have ended, while Temporal keeps them')
    .option('--limit <count>', `sessions per page, at most ${MOST}`, parseLimit, 50)
    .option('--page <token>', 'the next page, by the token that the last page printed')
    .action((options: ListOptions) =>
      withTemporal(context, async (temporal) => {
        const output = context.output();
        const { rows, nextPage } = await listSessions(temporal, options);
        output.result({ sessions: rows, nextPage }, () => asTable(output, rows, nextPage));
      }),
    );
}

async function listSessions(
  { connection, namespace, names }: TemporalAccess,
  { limit, page, ...filters }: ListOptions,
): Promise<{ rows: SessionRow[]; nextPage: string | null }> {
  const prefix = names.sessionWorkflowId('');
  try {
    const { executions = [], nextPageToken } = await connection.workflowService.listWorkflowExecutions({
      namespace,
      pageSize: limit,
      query: visibilityQuery(filters, names.taskQueue, Date.now()),
      ...(page ? { nextPageToken: Buffer.from(page, 'base64url') } : {}),
    });
    const rows = (executions ?? []).map(({ execution, startTime, status, searchAttributes }) => {
      const attribute = (name: string) => attributeText(searchAttributes?.indexedFields?.[name]?.data);
      const running = status === RUNNING;
      return {
        sessionId: (execution?.workflowId ?? '').slice(prefix.length),
        phase: running
          ? (attribute(SessionPhaseAttribute.name) ?? 'running')
          : (ENDED[status ?? 0] ?? 'ended'),
        running,
        environmentId: attribute(EnvironmentIdAttribute.name),
        agentId: attribute(AgentIdAttribute.name),
        sandboxId: attribute(SandboxIdAttribute.name),
        attention: attribute(SessionAttentionAttribute.name),
        startedAt: new Date(Number(startTime?.seconds ?? 0) * 1000).toISOString(),
      };
    });
    const next = nextPageToken?.length ? Buffer.from(nextPageToken).toString('base64url') : null;
    return { rows, nextPage: next };
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    if (error.code === INVALID_ARGUMENT)
      throw new CommandError(
        `Temporal does not accept this list: ${error.details}. Filters need search attributes, which a worker ` +
          'registers at its start',
        EXIT.refused,
      );
    if (!page || error.code === DEADLINE_EXCEEDED || error.code === UNAVAILABLE) throw error;
    throw new CommandError(
      `Temporal does not list this page: ${error.details}. Give --page the token of a list with the same filters`,
      EXIT.usage,
    );
  }
}

/** `WorkflowExecutionStatus` of Temporal's API. */
const RUNNING = 1;
const ENDED: Record<number, string> = {
  2: 'ended',
  3: 'failed',
  4: 'cancelled',
  5: 'terminated',
  6: 'continued',
  7: 'timed out',
};

function asTable(output: Output, rows: SessionRow[], nextPage: string | null): string {
  if (rows.length === 0) return 'No such sessions.';
  const columns: Column<SessionRow>[] = [
    { title: 'SESSION', whole: true, of: ({ sessionId }) => sessionId },
    {
      title: 'PHASE',
      of: ({ phase }) => phase,
      color: ({ phase, running }) => (running ? (phase.startsWith('waiting') ? 'yellow' : undefined) : 'dim'),
    },
    { title: 'STARTED', of: ({ startedAt }) => relative(new Date(startedAt)) },
  ];
  if (rows.some(({ attention }) => attention))
    columns.push({ title: 'ATTENTION', of: ({ attention }) => attention ?? '', color: () => 'red' });
  if (output.width >= WIDE)
    columns.push(
      { title: 'SANDBOX', of: ({ sandboxId }) => sandboxId ?? '' },
      { title: 'ENVIRONMENT', of: ({ environmentId }) => environmentId ?? '' },
    );
  const table = output.table(rows, columns);
  return nextPage ? `${table}\n\nMore: the same command with --page ${nextPage}` : table;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    throw new InvalidArgumentError(`Give a number from 1 to ${MOST}.`);
  return limit;
}
