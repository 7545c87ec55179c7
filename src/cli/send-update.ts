// Sends an update to a workflow for a command, and turns its answer into words and exit codes.
import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import {
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import { type Command, InvalidArgumentError } from 'commander';
import {
  ANSWERED_WITHIN_MS,
  NO_SUCH_CALL,
  UPDATE_ID_CHARS,
  UPDATE_MALFORMED,
  type UpdateAnswer,
  type UpdateRequest,
} from '../../workflows/messages.ts';
import { type CommandContext, CommandError, EXIT } from './command.ts';
import { clean } from './output.ts';
import { type TemporalAccess, withTemporal } from './temporal.ts';
import { parseAge } from './times.ts';

/** A poll lasts at most a minute; Temporal lists a poller for five. */
const POLLED_WITHIN_MS = 90_000;
/** `TaskQueueType`, and gRPC's status. */
const WORKFLOW = 1;
const DEADLINE_EXCEEDED = 4;
const TIMEOUT_MS = ANSWERED_WITHIN_MS + 15_000;

export interface UpdateOptions {
  as?: string;
  timeout?: number;
  updateId?: string;
}

/** The workflow that is asked. */
export interface UpdateTarget {
  /** Names it in messages, for example `session sesn_1`. */
  what: string;
  workflowId: string;
  /** What is lost, where the person has not confirmed it: then nothing is sent. */
  unconfirmed?: string | undefined;
}

/** Adds the options that every such command has. */
export function withUpdateOptions(command: Command): Command {
  return command
    .option('--as <name>', 'who asks, for the history (default: user@host)', nameOf)
    .option('--timeout <time>', `time to wait for the answer (default: ${TIMEOUT_MS / 1000}s)`, parseAge)
    .option(
      '--update-id <id>',
      'id of an earlier request: it is not carried out again, and its answer is shown',
      nameOf,
    );
}

/**
 * Sends the update, prints its answer and sets the exit code.
 * @throws CommandError
 */
export async function sendUpdate<Request extends UpdateRequest>(
  context: CommandContext,
  findTarget: (temporal: TemporalAccess) => UpdateTarget | Promise<UpdateTarget>,
  update: UpdateDefinition<UpdateAnswer, [Request]>,
  request: Omit<Request, 'by'>,
  options: UpdateOptions,
): Promise<void> {
  await withTemporal(context, async (temporal) => {
    const updateId = options.updateId ?? randomUUID();
    const { what, workflowId, unconfirmed } = await findTarget(temporal);
    const build = await requireRunning(temporal, workflowId, what);
    if (unconfirmed)
      throw new CommandError(`${unconfirmed}. Nothing was done: repeat the command with --yes.`, EXIT.usage);
    await requireWorker(temporal, what, build);
    const handle = temporal.client.workflow.getHandle(workflowId);
    const args: [Request] = [{ ...request, by: options.as ?? you() } as Request];
    let answer: UpdateAnswer;
    try {
      answer = await temporal.connection.withDeadline(Date.now() + (options.timeout ?? TIMEOUT_MS), () =>
        handle.executeUpdate(update, { args, updateId }),
      );
    } catch (error) {
      throw explained(error, what, updateId);
    }
    const output = context.output();
    output.result({ updateId, ...answer }, () => clean(`${answer.text}\nKept: ${answer.keeps}.`));
    if (answer.outcome === 'failed') context.end(EXIT.failed);
  });
}

/** @returns the build that the workflow is pinned to, if it is @throws CommandError unless the workflow runs */
async function requireRunning(
  { client, names }: TemporalAccess,
  workflowId: string,
  what: string,
): Promise<string | null | undefined> {
  const described = await client.workflow
    .getHandle(workflowId)
    .describe()
    .catch((error: unknown) => {
      if (error instanceof WorkflowNotFoundError) throw unknown(what, names.taskQueue);
      throw error;
    });
  if (described.status.name !== 'RUNNING')
    throw new CommandError(
      `The workflow of ${what} has ended (${described.status.name.toLowerCase()}): updates are for running ones.`,
      EXIT.refused,
    );
  return described.raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
}

/** An update without a worker would wait until the time-out. @throws CommandError */
async function requireWorker(
  { connection, namespace, names }: TemporalAccess,
  what: string,
  build: string | null | undefined,
): Promise<void> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: names.taskQueue },
    taskQueueType: WORKFLOW,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  const serves = pollers.some(
    ({ lastAccessTime, deploymentOptions }) =>
      Number(lastAccessTime?.seconds ?? 0) * 1000 >= since &&
      (!build || deploymentOptions?.buildId === build),
  );
  if (serves) return;
  const which = build ? `worker of build ${build}, on which it is pinned,` : 'worker';
  throw new CommandError(
    `No ${which} polls task queue ${names.taskQueue}: ${what} cannot be changed. Start one, then repeat the command.`,
    EXIT.unreachable,
  );
}

function explained(error: unknown, what: string, updateId: string): unknown {
  if (error instanceof WorkflowNotFoundError)
    return new CommandError(`The workflow of ${what} has ended meanwhile.`, EXIT.refused);
  if (error instanceof WorkflowUpdateFailedError) {
    const { cause } = error;
    const type = cause instanceof ApplicationFailure ? cause.type : null;
    const code =
      type === NO_SUCH_CALL ? EXIT.notFound : type === UPDATE_MALFORMED ? EXIT.usage : EXIT.refused;
    return new CommandError(cause?.message ?? error.message, code);
  }
  const isLate =
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    (isGrpcServiceError(error) && error.code === DEADLINE_EXCEEDED);
  if (!isLate) return error;
  return new CommandError(
    `${what} did not answer in time; it may still do what was asked. To learn the outcome, repeat with --update-id ${updateId}`,
    EXIT.failed,
  );
}

function unknown(what: string, deployment: string): CommandError {
  return new CommandError(`Deployment ${deployment} has no ${what}.`, EXIT.notFound);
}

function you(): string {
  try {
    return `${userInfo().username}@${hostname()}`.slice(0, UPDATE_ID_CHARS);
  } catch {
    return `someone@${hostname()}`.slice(0, UPDATE_ID_CHARS);
  }
}

function nameOf(text: string): string {
  if (text.trim() === '' || text.length > UPDATE_ID_CHARS || /\p{Cc}/u.test(text))
    throw new InvalidArgumentError(`Give 1 to ${UPDATE_ID_CHARS} characters without control characters.`);
  return text;
}
