// `sessions watch ID`: what reaches a session and each of its steps, as they enter its history; needs no running worker.
import { WorkflowNotFoundError } from '@temporalio/client';
import { type Command, InvalidArgumentError } from 'commander';
import { type CommandContext, EXIT } from '../command.ts';
import { cut, type Output, oneLine } from '../output.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { unknownSession } from './gather.ts';
import { sessionIdOf } from './ids.ts';
import { type Step, Steps } from './steps.ts';

const TEXT_CHARS = 500;
const MOST_LAST = 10_000;
/** Temporal answers a request for new events after 20 seconds, with none if need be. */
const ANSWER_MS = 60_000;

const COLORS = {
  run: 'dim',
  message: 'cyan',
  phase: 'bold',
  begun: 'dim',
  done: 'green',
  failed: 'red',
  asked: 'magenta',
  ended: 'bold',
} as const;

export function addWatchCommand(sessions: Command, context: CommandContext): void {
  sessions
    .command('watch')
    .description(
      'follow what reaches a session and what it does, until it ends or Ctrl-C; --json: one object a line',
    )
    .argument('<session>', 'id of the session', sessionIdOf)
    .option('--last <count>', 'begin with this many of the past events', parseLast, 20)
    .action((sessionId: string, { last }: { last: number }) =>
      withTemporal(context, async (temporal) => {
        const output = context.output();
        const interrupted = new AbortController();
        const stop = () => interrupted.abort();
        process.once('SIGINT', stop);
        try {
          await temporal.connection.withAbortSignal(interrupted.signal, () =>
            follow(temporal, sessionId, last, (step) => print(output, step)),
          );
        } catch (error) {
          if (!interrupted.signal.aborted) throw error;
          context.end(EXIT.interrupted);
        } finally {
          process.off('SIGINT', stop);
        }
      }),
    );
}

/** @returns when the session has ended */
async function follow(
  temporal: TemporalAccess,
  sessionId: string,
  last: number,
  report: (step: Step) => void,
): Promise<void> {
  const { client, connection, namespace, names } = temporal;
  const workflowId = names.sessionWorkflowId(sessionId);
  const described = await client.workflow
    .getHandle(workflowId)
    .describe()
    .catch((error: unknown) => {
      throw error instanceof WorkflowNotFoundError ? unknownSession(temporal, sessionId) : error;
    });
  let skip = described.historyLength - last;
  let runId: string | null | undefined = described.runId;
  while (runId) {
    const steps = new Steps(client);
    let next: string | null | undefined;
    let token: Uint8Array | null | undefined;
    do {
      const request = {
        namespace,
        execution: { workflowId, runId },
        waitNewEvent: true,
        nextPageToken: token ?? new Uint8Array(),
      };
      const page = await connection.withDeadline(Date.now() + ANSWER_MS, () =>
        connection.workflowService.getWorkflowExecutionHistory(request),
      );
      for (const event of page.history?.events ?? []) {
        const step = await steps.read(event);
        if (step && step.event > skip) report(step);
        next = event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
      }
      token = page.nextPageToken;
    } while (token?.length);
    runId = next;
    skip = 0;
  }
}

function print(output: Output, step: Step): void {
  const text = cut(oneLine(step.text), TEXT_CHARS);
  const time = new Date(step.at).toTimeString().slice(0, 8);
  const kind = output.style(COLORS[step.kind], step.kind.padEnd(7));
  output.line({ ...step, text }, () => `${time}  ${kind}  ${text}`);
}

function parseLast(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > MOST_LAST)
    throw new InvalidArgumentError(`Give a number from 0 to ${MOST_LAST}.`);
  return count;
}
