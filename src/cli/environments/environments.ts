// `environments …`: puts the commands about environments together.
import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { addPutRightCommands } from './put-right.ts';
import { addShowCommand } from './show.ts';

export function addEnvironmentsCommand(program: Command, context: CommandContext): void {
  const environments = program
    .command('environments')
    .description('see into environments and put them right');
  addShowCommand(environments, context);
  addPutRightCommands(environments, context);
}
