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
import { loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { sendUpdate, type UpdateOptions, withUpdateOptions } from '../send-update.ts';
import type { TemporalAccess } from '../temporal.ts';
import { runningEnvironments } from './report.ts';

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
        .argument('[id]', 'id of the environment (default: the only one)', environmentIdOf),
    ).action((asked: string | undefined, options: UpdateOptions) =>
      sendUpdate(
        context,
        async (temporal) => {
          const id = asked ?? (await onlyEnvironment(context, temporal));
          return { what: `environment ${id}`, workflowId: temporal.names.environmentWorkflowId(id) };
        },
        update,
        {},
        options,
      ),
    );
}

/** @throws CommandError unless one environment is configured, or none and one is served */
async function onlyEnvironment(context: CommandContext, temporal: TemporalAccess): Promise<string> {
  const configured = loadCommandSettings(context.environment()).environments.flatMap(({ id }) => id ?? []);
  const [id, ...others] = configured.length > 0 ? configured : await runningEnvironments(temporal);
  if (id === undefined)
    throw new CommandError(
      'No environment is configured, and none is served: give the id of one, or set ANTHROPIC_ENVIRONMENT_ID',
      EXIT.notFound,
    );
  if (others.length > 0)
    throw new CommandError(`Give the id of one environment: ${[id, ...others].join(', ')}`, EXIT.usage);
  return id;
}

function environmentIdOf(text: string): string {
  if (!ID.test(text)) throw new InvalidArgumentError('Give the id of an environment, for example env_01….');
  return text;
}
