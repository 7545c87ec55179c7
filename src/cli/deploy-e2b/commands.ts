// `deploy e2b …`: puts the commands for a router inside E2B together.
import { Argument, type Command, InvalidArgumentError } from 'commander';
import type { CommandContext } from '../command.ts';
import { whileNotInterrupted } from '../setup/interrupt.ts';
import { type DeployOptions, deploy } from './deploy.ts';
import { type DestroyOptions, destroy } from './destroy.ts';
import { type ExecOptions, execInside } from './exec.ts';
import { LOGS, type LogsOptions, showLogs } from './logs.ts';
import { type StatusOptions, showStatus } from './status.ts';
import { type UpdateOptions, update } from './update.ts';

const ENVIRONMENT = [
  '--environment <id>',
  'environment that the router serves, if several are configured',
] as const;
const SANDBOX = ['--sandbox <id>', 'sandbox of the router, if there are several by mistake'] as const;
const PACKAGE = ['--package <file>', 'package from npm pack to use instead of this version'] as const;

// Options that `deploy e2b` has as well are taken by it, also where they follow the name of a command below: hence
// `optsWithGlobals`.
export function addDeployCommand(program: Command, context: CommandContext): void {
  const e2b = program
    .command('deploy')
    .description('run the router elsewhere')
    .command('e2b')
    .description(
      'run the router in an E2B sandbox of its own, which sleeps when all is quiet; may be run again',
    )
    .option(...ENVIRONMENT)
    .option('--cpus <n>', 'virtual CPUs of a new sandbox', wholeNumber(1, 64), 2)
    .option('--memory <MiB>', 'memory of a new sandbox', wholeNumber(512, 65_536), 2048)
    .option('--sleep-after <minutes>', 'quiet time after which it sleeps', wholeNumber(1, 1_440), 10)
    .option(...PACKAGE)
    .option('-y, --yes', 'ask nothing')
    .addHelpText(
      'after',
      '\nKeys and settings are those of this machine: docs/inside-e2b.md. To register the webhook, follow what it prints.',
    )
    .action((options: DeployOptions) => whileNotInterrupted((signal) => deploy(context, options, signal)));
  e2b
    .command('status')
    .description('show the sandbox, the router in it, its address, and when it sleeps')
    .option(...ENVIRONMENT)
    .option(...SANDBOX)
    .option('--wake', 'wake it, if it sleeps, to look inside')
    .action((_options: StatusOptions, command: Command) =>
      whileNotInterrupted((signal) => showStatus(context, command.optsWithGlobals<StatusOptions>(), signal)),
    );
  e2b
    .command('logs')
    .description('show logs: by default those of the webhook server and the worker')
    .addArgument(new Argument('[names...]', 'logs to show').choices(Object.keys(LOGS)))
    .option(...ENVIRONMENT)
    .option(...SANDBOX)
    .option('-n, --lines <n>', 'last lines of each', wholeNumber(1, 100_000), 50)
    .option('-f, --follow', 'go on until interrupted')
    .option('--wake', 'wake it, if it sleeps')
    .action((names: (keyof typeof LOGS)[], _options: LogsOptions, command: Command) =>
      whileNotInterrupted((signal) =>
        showLogs(context, names, command.optsWithGlobals<LogsOptions>(), signal),
      ),
    );
  e2b
    .command('exec')
    .description(
      'run a command of this program in the sandbox, with its keys and database: exec -- sandboxes list',
    )
    .argument('<command...>', 'command and its options, after --')
    .option(...ENVIRONMENT)
    .option(...SANDBOX)
    .addHelpText(
      'after',
      "\nFiles that the command reads or writes are those of the router's sandbox, not of this machine.",
    )
    .action((args: string[], _options: ExecOptions, command: Command) =>
      whileNotInterrupted((signal) =>
        execInside(context, args, command.optsWithGlobals<ExecOptions>(), signal),
      ),
    );
  e2b
    .command('update')
    .description('replace the router in the sandbox by this version; address and database stay')
    .option(...ENVIRONMENT)
    .option(...SANDBOX)
    .option(...PACKAGE)
    .action((_options: UpdateOptions, command: Command) =>
      whileNotInterrupted((signal) => update(context, command.optsWithGlobals<UpdateOptions>(), signal)),
    );
  e2b
    .command('destroy')
    .description('remove the sandbox of the router with its database; shows it first')
    .option(...ENVIRONMENT)
    .option(...SANDBOX)
    .option('--template', 'also remove the template')
    .option('--plan', 'show what would be removed, and remove nothing')
    .option('-y, --yes', 'remove without asking')
    .action((_options: DestroyOptions, command: Command) =>
      whileNotInterrupted((signal) => destroy(context, command.optsWithGlobals<DestroyOptions>(), signal)),
    );
}

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
