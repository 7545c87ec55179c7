// `sandboxes …`: puts the commands about sandboxes together.
import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { addCleanCommand } from './clean.ts';
import { addListCommand } from './list.ts';

export function addSandboxesCommand(program: Command, context: CommandContext): void {
  const sandboxes = program.command('sandboxes').description('see the sandboxes of the router and clean up');
  addListCommand(sandboxes, context);
  addCleanCommand(sandboxes, context);
}
