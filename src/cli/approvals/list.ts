// `approvals list`: every call that waits for a person, over all sessions of the deployment; needs no running worker.
import { isGrpcServiceError } from '@temporalio/client';
import type { Command } from 'commander';
import {
  AgentIdAttribute,
  EnvironmentIdAttribute,
  SessionPhaseAttribute,
} from '../../../workflows/messages.ts';
import { routerCommand } from '../../program-name.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { type Output, oneLine } from '../output.ts';
import { findStatus } from '../session-status.ts';
import { attributeValue, visibilityQuery } from '../sessions/query.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { relative } from '../times.ts';
import { listWorkflows } from '../visibility.ts';

/** Each is read by its history. */
const MOST_SESSIONS = 200;
const INVALID_ARGUMENT = 3;

/** One call as printed with `--json`; null where nothing is known. */
interface WaitingCall {
  sessionId: string;
  callId: string;
  name: string;
  /** At most 200 characters of the command or path. */
  preview: string;
  /** RFC 3339; when the router learnt of the call. */
  since: string;
  agentId: string | null;
  environmentId: string | null;
}

interface Listed {
  calls: WaitingCall[];
  /** Sessions that wait, but whose calls cannot be read now. */
  unread: string[];
  /** There are more sessions that wait. */
  more: boolean;
}

export function addListCommand(approvals: Command, context: CommandContext): void {
  approvals
    .command('list')
    .description('list the calls that wait for an approval, the longest wait first; needs no running worker')
    .option('--agent <id>', 'only sessions of this agent', attributeValue)
    .option('--environment <id>', 'only sessions of this environment', attributeValue)
    .action((filters: { agent?: string; environment?: string }) =>
      withTemporal(context, async (temporal) => {
        const output = context.output();
        const listed = await listWaiting(temporal, filters);
        output.result(listed, () => asText(output, listed));
      }),
    );
}

async function listWaiting(
  temporal: TemporalAccess,
  filters: { agent?: string; environment?: string },
): Promise<Listed> {
  const { names } = temporal;
  const prefix = names.sessionWorkflowId('');
  const listed: Listed = { calls: [], unread: [], more: false };
  // A session that a person has paused may have such calls, too.
  const phases = `${SessionPhaseAttribute.name} IN ('waiting for approval', 'paused by a person')`;
  const query = `${visibilityQuery(filters, names.taskQueue, Date.now())} AND ${phases}`;
  let sessions = 0;
  try {
    for await (const { workflowId, attribute } of listWorkflows(temporal, query)) {
      if (sessions++ === MOST_SESSIONS) {
        listed.more = true;
        break;
      }
      const sessionId = workflowId.slice(prefix.length);
      const fetchHistory = () => temporal.client.workflow.getHandle(workflowId).fetchHistory();
      const { status } = await findStatus(temporal, workflowId, fetchHistory, true);
      if (!status) listed.unread.push(sessionId);
      for (const { id, name, state, preview, since } of status?.openCalls ?? [])
        if (state === 'waiting for approval')
          listed.calls.push({
            sessionId,
            callId: id,
            name,
            preview,
            since,
            agentId: attribute(AgentIdAttribute.name),
            environmentId: attribute(EnvironmentIdAttribute.name),
          });
    }
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === INVALID_ARGUMENT)
      throw new CommandError(
        `Temporal cannot search sessions: ${error.details}. The namespace needs the search attributes of ` +
          'docs/finding-sessions.md, which a worker registers at its start',
        EXIT.refused,
      );
    throw error;
  }
  listed.calls.sort((one, other) => one.since.localeCompare(other.since));
  return listed;
}

/** What is asked for is shown whole: a person decides by it. */
function asText(output: Output, { calls, unread, more }: Listed): string {
  const block = ({ sessionId, callId, name, preview, since, agentId }: WaitingCall) => [
    `${output.style('bold', sessionId)}  since ${relative(new Date(since))}${agentId ? `, ${agentId}` : ''}`,
    `  asks for  ${oneLine(`${name}: ${preview}`)}`,
    `  call      ${callId}`,
    '',
  ];
  return [
    ...(calls.length > 0
      ? [
          ...calls.flatMap(block),
          'To decide, where one call of the session waits (otherwise add --call CALL):',
          `  ${routerCommand('approvals allow SESSION')}`,
          `  ${routerCommand('approvals deny SESSION --reason TEXT')}`,
        ]
      : ['No call waits for an approval.']),
    ...(unread.length > 0
      ? [
          '',
          `Not readable (no worker of their build runs, or the key of their encrypted histories is not here): ${unread.join(', ')}`,
        ]
      : []),
    ...(more ? ['', `Only the first ${MOST_SESSIONS} sessions are shown; use --agent or --environment`] : []),
  ].join('\n');
}
