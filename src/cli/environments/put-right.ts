// `environments drain|resume|reconcile`: thin clients of the updates of an environment.
import type { UpdateDefinition } from '@temporalio/common';
import { type Command, InvalidArgumentError } from 'commander';
import {
  drainUpdate,
  reconcileNowUpdate,
  resumeUpdate,
  type UpdateAnswer,
  type UpdateRequest,
} from '../../../workflows/messages.ts';
import type { CommandContext } from '../command.ts';
import { sendUpdate, type UpdateOptions, withUpdateOptions } from '../send-update.ts';

const ID = /^[A-Za-z0-9][\w-]{0,199}$/;
const COMMANDS: [string, string, UpdateDefinition<UpdateAnswer, [UpdateRequest]>][] = [
  ['drain', 'take no new work until resume; sessions under way end their turns', drainUpdate],
  ['resume', 'take work again after drain', resumeUpdate],
  ['reconcile', 'compare queue, sandboxes and sessions now, and say what was repaired', reconcileNowUpdate],
];

export function addPutRightCommands(environments: Command, context: CommandContext): void {
  for (const [name, description, update] of COMMANDS)
    withUpdateOptions(
      environments
        .command(name)
        .description(description)
        .argument('<id>', 'id of the environment', environmentIdOf),
    ).action((id: string, options: UpdateOptions) =>
      sendUpdate(
        context,
        { what: `environment ${id}`, workflowIdOf: ({ names }) => names.environmentWorkflowId(id) },
        update,
        {},
        options,
      ),
    );
}

function environmentIdOf(text: string): string {
  if (!ID.test(text)) throw new InvalidArgumentError('Give the id of an environment, for example env_01….');
  return text;
}
