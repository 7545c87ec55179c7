// `approvals …`: puts the commands about calls that wait for a person together.
import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { addDecisionCommands } from './decide.ts';
import { addListCommand } from './list.ts';

export function addApprovalsCommand(program: Command, context: CommandContext): void {
  const approvals = program.command('approvals').description('calls that wait for a person');
  addListCommand(approvals, context);
  addDecisionCommands(approvals, context);
}
