#!/usr/bin/env node
// The command line: `managed-agents-router start|webhook|worker|config check`.
import { Command, CommanderError, Option } from 'commander';
import { CONFIG_FILE } from './config/deployment-settings.ts';
import { ConfigError, type Environment, type Role, readEnvironment } from './config.ts';
import { describeConfig } from './config-check.ts';
import { serve } from './serve.ts';
import { VERSION } from './version.ts';

/** Exit code for a wrong command line or a wrong configuration. */
const EXIT_USAGE = 2;

const ROLES: Record<Role, string> = {
  start: 'run webhook server and worker in one process',
  webhook: 'run the webhook server alone: it receives the events of sessions',
  worker: 'run the worker alone: it runs the sessions',
};

/** @param end called with the exit code when a command ends */
function commandLine(end: (code: number) => void): Command {
  const program = new Command('managed-agents-router')
    .description('Runs the tool calls of Claude Managed Agents in E2B sandboxes.')
    .version(VERSION)
    .option(
      '-c, --config <path>',
      `configuration file (default: ${CONFIG_FILE.variable}, or managed-agents-router.yaml)`,
    )
    .addHelpText(
      'after',
      '\nSettings come from that file, from environment variables and from .env; docs/settings.md lists them.',
    )
    .exitOverride()
    .showHelpAfterError();
  const environment = (): Environment => {
    const { config } = program.opts<{ config?: string }>();
    return { ...readEnvironment(), ...(config === undefined ? {} : { [CONFIG_FILE.variable]: config }) };
  };
  for (const role of Object.keys(ROLES) as Role[])
    program
      .command(role)
      .description(ROLES[role])
      .action(async () => end(await serve(role, environment())));
  program
    .command('config')
    .description('inspect the configuration')
    .command('check')
    .description('list every value that is set, where it is set, and every problem; starts nothing')
    .addOption(
      new Option('--for <process>', 'process to check for').choices(Object.keys(ROLES)).default('start'),
    )
    .action((options: { for: Role }) => {
      process.stdout.write(describeConfig(environment(), options.for));
      end(0);
    });
  return program;
}

async function main(args: string[]): Promise<number> {
  let code = 0;
  try {
    await commandLine((ended) => {
      code = ended;
    }).parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // Commander reports help and version as errors too, and has already printed its message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return error instanceof ConfigError ? EXIT_USAGE : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
