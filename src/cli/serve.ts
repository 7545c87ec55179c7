// `start`, `webhook` and `worker`: run the router.
import type { Command } from 'commander';
import type { Role } from '../config.ts';
import { serve } from '../serve.ts';
import type { CommandContext } from './command.ts';

export const ROLES: Record<Role, string> = {
  start: 'run webhook server and worker in one process and, if no Temporal address is set, a Temporal server',
  webhook: 'run the webhook server alone: it receives the events of sessions',
  worker: 'run the worker alone: it runs the sessions',
};

export function addServeCommands(program: Command, context: CommandContext): void {
  for (const role of Object.keys(ROLES) as Role[])
    program
      .command(role)
      .description(ROLES[role])
      .action(async () => context.end(await serve(role, context.environment())));
}
