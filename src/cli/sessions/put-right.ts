// `sessions pause|resume|interrupt|replace-sandbox|repost|answer|end`: thin clients of the updates of a session.
import type { UpdateDefinition } from '@temporalio/common';
import { type Command, InvalidArgumentError } from 'commander';
import {
  ANSWER_CHARS,
  answerUpdate,
  endUpdate,
  interruptUpdate,
  pauseUpdate,
  replaceSandboxUpdate,
  repostUpdate,
  resumeUpdate,
  type UpdateAnswer,
  type UpdateRequest,
} from '../../../workflows/messages.ts';
import type { CommandContext } from '../command.ts';
import { sendUpdate, type UpdateOptions, withUpdateOptions } from '../send-update.ts';
import { sessionIdOf } from './ids.ts';

/** What cannot be undone is done only where `--yes` is given. */
interface Final extends UpdateOptions {
  yes?: boolean;
}

const YES = 'required: what is lost does not come back';

export function addPutRightCommands(sessions: Command, context: CommandContext): void {
  const send = <Request extends UpdateRequest>(
    sessionId: string,
    update: UpdateDefinition<UpdateAnswer, [Request]>,
    request: Omit<Request, 'by'>,
    options: UpdateOptions,
    unconfirmed?: string,
  ) =>
    sendUpdate(
      context,
      ({ names }) => ({
        what: `session ${sessionId}`,
        workflowId: names.sessionWorkflowId(sessionId),
        unconfirmed,
      }),
      update,
      request,
      options,
    );
  const command = (name: string, description: string) =>
    withUpdateOptions(
      sessions.command(name).description(description).argument('<id>', 'id of the session', sessionIdOf),
    );

  command(
    'pause',
    'pause the sandbox at the next safe moment and start none until resume; new turns wait, leases are kept',
  ).action((id: string, options: UpdateOptions) => send(id, pauseUpdate, {}, options));
  command('resume', 'go on after pause: calls that are open run').action(
    (id: string, options: UpdateOptions) => send(id, resumeUpdate, {}, options),
  );
  command('interrupt', 'end the turn: posts user.interrupt, and cancels calls that run').action(
    (id: string, options: UpdateOptions) => send(id, interruptUpdate, {}, options),
  );
  command(
    'replace-sandbox',
    'copy outputs where that is configured, then kill the sandbox with its files; the next call gets a new one',
  )
    .option(
      '--force',
      'wait for no call (its outcome is then unknown) and no copy of outputs, and do not save memory',
    )
    .option('--yes', YES)
    .action((id: string, { force, yes, ...options }: Final & { force?: boolean }) =>
      send(
        id,
        replaceSandboxUpdate,
        force ? { force } : {},
        options,
        yes ? undefined : `The files and processes in the sandbox of session ${id} are lost`,
      ),
    );
  command('repost', 'post results again that the service has refused, or that are kept; no call runs again')
    .option('--call <id>', 'only the result of this call')
    .action((id: string, { call, ...options }: UpdateOptions & { call?: string }) =>
      send(id, repostUpdate, call === undefined ? {} : { callId: call }, options),
    );
  command('answer', 'answer a call by hand; it does not run')
    .requiredOption('--call <id>', 'id of the call')
    .requiredOption('--text <text>', 'what the model reads as the result', textOf)
    .option('--error', 'the model reads it as an error')
    .action(
      (
        id: string,
        { call, text, error, ...options }: UpdateOptions & { call: string; text: string; error?: true },
      ) => send(id, answerUpdate, { callId: call, text, ...(error ? { isError: true } : {}) }, options),
    );
  command('end', 'end a session whose turn is over: copies outputs, kills its sandbox, ends its workflow')
    .option('--yes', YES)
    .action((id: string, { yes, ...options }: Final) =>
      send(id, endUpdate, {}, options, yes ? undefined : `Session ${id} ends and its sandbox is killed`),
    );
}

function textOf(text: string): string {
  if (text.trim() === '' || text.length > ANSWER_CHARS)
    throw new InvalidArgumentError(`Give 1 to ${ANSWER_CHARS} characters.`);
  return text;
}
