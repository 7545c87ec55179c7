// `teardown`: undoes what setup made, after showing it.
import type { Command } from 'commander';
import { type CommandSettings, loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { Dialog } from './dialog.ts';
import { removeFromEnvFile } from './env-file.ts';
import { whileNotInterrupted } from './interrupt.ts';
import { findRemovals, type Removal } from './removals.ts';
import { keyVariableOf, removeEnvironment } from './router-file.ts';
import { ENV_FILE } from './run.ts';

interface TeardownOptions {
  yes?: boolean;
  plan?: boolean;
  /** Undefined: removed if setup built it. */
  template?: boolean;
  environment?: string;
}

export function addTeardownCommand(program: Command, context: CommandContext): void {
  program
    .command('teardown')
    .description('remove what setup made: sandboxes, template, agent, environment; shows it first')
    .option('--plan', 'show what would be removed, and remove nothing')
    .option('-y, --yes', 'remove without asking')
    .option('--environment <id>', 'environment to remove, if several are configured')
    .option('--template', 'also remove a template that setup did not build')
    .option('--no-template', 'leave the template')
    .addHelpText(
      'after',
      '\nFiles in sandboxes are lost. Sessions and their events stay at Anthropic. Needs ANTHROPIC_API_KEY to remove agent and environment.',
    )
    .action((options: TeardownOptions) =>
      whileNotInterrupted((signal) => teardown(context, options, signal)),
    );
}

async function teardown(
  context: CommandContext,
  options: TeardownOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = context.output();
  const dialog = new Dialog(output, options.yes === true);
  const settings = loadCommandSettings(context.environment());
  const target = targetOf(settings, options);
  dialog.begin('managed-agents-router teardown');
  const { removals, kept, byHand } = await findRemovals(settings, target, options.template);
  if (byHand.length > 0) dialog.instruct(['By hand:', ...byHand.map((line) => `- ${line}`)]);
  for (const line of kept) dialog.warn(line);
  dialog.instruct(
    removals.length > 0
      ? ['To be removed:', ...removals.map(({ what }) => `- ${what}`)]
      : ['There is nothing to remove.'],
  );
  const result = { removed: [] as string[], kept, byHand };
  if (!options.plan && removals.length > 0) {
    await confirm(dialog, options);
    for (const removal of removals) {
      signal.throwIfAborted();
      await remove(removal, dialog);
      result.removed.push(removal.what);
    }
  }
  if (!options.plan && target.id) forget(settings, target.id, dialog);
  dialog.end(options.plan ? 'Nothing was removed.' : 'Done. It is safe to run teardown again.');
  if (output.json) output.result(result, () => '');
}

function targetOf({ environments }: CommandSettings, { environment }: TeardownOptions) {
  if (environment) return environments.find(({ id }) => id === environment) ?? { id: environment };
  if (environments.length > 1)
    throw new CommandError(
      'Several environments are configured: choose one with --environment ID',
      EXIT.usage,
    );
  return environments[0] ?? {};
}

async function confirm(dialog: Dialog, { yes }: TeardownOptions): Promise<void> {
  if (yes) return;
  if (!dialog.canAsk)
    throw new CommandError(
      'There is no terminal to confirm at: add --yes to remove all that is listed',
      EXIT.usage,
    );
  if (!(await dialog.confirm('Remove all of it? Files in the sandboxes are lost', false)))
    throw new CommandError('Nothing was removed', EXIT.interrupted);
}

async function remove({ what, run }: Removal, dialog: Dialog): Promise<void> {
  const how = await run();
  dialog.done(`${how}: ${what}`);
}

/** The configuration names the environment no longer; other settings and keys stay for a later setup. */
function forget({ configFile }: CommandSettings, id: string, dialog: Dialog): void {
  const variable = (configFile && keyVariableOf(configFile, id)) || 'ANTHROPIC_ENVIRONMENT_KEY';
  const names = removeFromEnvFile(ENV_FILE, [variable, 'ANTHROPIC_ENVIRONMENT_ID', 'ANTHROPIC_AGENT_ID']);
  const changed = configFile !== undefined && removeEnvironment(configFile, id);
  if (names.length > 0) dialog.done(`Removed from .env: ${names.join(', ')}`);
  if (changed) dialog.done(`Removed from ${configFile}: environment ${id}`);
}
