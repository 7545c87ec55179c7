// `sessions …`: puts the commands about sessions together.
import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { addHistoryCommands } from './export-history.ts';
import { addFilesCommands } from './files.ts';
import { addListCommand } from './list.ts';
import { addLogsCommand } from './logs.ts';
import { addPutRightCommands } from './put-right.ts';
import { addShowCommand } from './show.ts';
import { addWatchCommand } from './watch.ts';

export function addSessionsCommand(program: Command, context: CommandContext): void {
  const sessions = program.command('sessions').description('see into sessions and put them right');
  addListCommand(sessions, context);
  addHistoryCommands(sessions, context);
  addShowCommand(sessions, context);
  addWatchCommand(sessions, context);
  addLogsCommand(sessions, context);
  addFilesCommands(sessions, context);
  addPutRightCommands(sessions, context);
}
