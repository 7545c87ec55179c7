// `config check`: inspects the configuration.
import { type Command, Option } from 'commander';
import type { Role } from '../config.ts';
import { describeConfig } from '../config-check.ts';
import type { CommandContext } from './command.ts';
import { ROLES } from './serve.ts';

export function addConfigCommand(program: Command, context: CommandContext): void {
  program
    .command('config')
    .description('inspect the configuration')
    .command('check')
    .description('list every value that is set, where it is set, and every problem; starts nothing')
    .addOption(
      new Option('--for <process>', 'process to check for').choices(Object.keys(ROLES)).default('start'),
    )
    .action((options: { for: Role }) => {
      process.stdout.write(describeConfig(context.environment(), options.for));
    });
}
