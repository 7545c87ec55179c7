// `hooks …`: puts the commands about the owner's hook together.
import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { addTestHookCommand } from './test-hook.ts';

export function addHooksCommand(program: Command, context: CommandContext): void {
  addTestHookCommand(program.command('hooks').description("the owner's hook"), context);
}
