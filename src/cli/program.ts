// The command line `managed-agents-router`: puts the commands together and turns their errors into exit codes.
import { Command, CommanderError } from 'commander';
import { CONFIG_FILE } from '../config/deployment-settings.ts';
import { ConfigError, readEnvironment } from '../config.ts';
import { scrub } from '../log.ts';
import { routerCommand } from '../program-name.ts';
import { VERSION } from '../version.ts';
import { addApprovalsCommand } from './approvals/approvals.ts';
import { addCodecServerCommand } from './codec-server.ts';
import { type CommandContext, CommandError, EXIT } from './command.ts';
import { addConfigCommand } from './config.ts';
import { addDeployCommand } from './deploy-e2b/commands.ts';
import { addDoctorCommand } from './doctor/doctor.ts';
import { addEnvironmentsCommand } from './environments/environments.ts';
import { addHooksCommand } from './hooks/hooks.ts';
import { addInsideE2BCommand } from './inside-e2b.ts';
import { clean, fitted, Output } from './output.ts';
import { addSandboxesCommand } from './sandboxes/sandboxes.ts';
import { addServeCommands } from './serve.ts';
import { serviceError } from './service-error.ts';
import { addSessionsCommand } from './sessions/sessions.ts';
import { addSendCommand } from './setup/send.ts';
import { addSetupCommand } from './setup/setup.ts';
import { addTeardownCommand } from './setup/teardown.ts';
import { addUsageCommand } from './usage/usage.ts';

/**
 * Runs one command.
 * @param args the arguments after the program's name
 * @returns the exit code of the process
 */
export async function runCommandLine(args: string[]): Promise<number> {
  let code: number = EXIT.done;
  const program = createProgram((ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // Commander reports help and version as errors too, and has already printed its message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    // What a command has not explained comes from a service.
    const known = error instanceof ConfigError || error instanceof CommandError ? error : serviceError(error);
    const message = clean(scrub(known instanceof Error ? known.message : String(known))) + setupHint(known);
    process.stderr.write(`${fitted(message, process.stderr)}\n`);
    if (known instanceof ConfigError) return EXIT.usage;
    return known instanceof CommandError ? known.exitCode : EXIT.failed;
  }
}

/** A value that is missing may never have been there. */
function setupHint(error: unknown): string {
  const lacks =
    error instanceof ConfigError && error.problems.some((problem) => / is not set\b/.test(problem));
  return lacks ? `\n"${routerCommand('setup')}" asks for what is missing and writes it down` : '';
}

/** @param end called with the exit code when a command ends */
export function createProgram(end: (code: number) => void): Command {
  const program = new Command('managed-agents-router')
    .description('Runs the tool calls of Claude Managed Agents in E2B sandboxes.')
    .version(VERSION)
    .option(
      '-c, --config <path>',
      `configuration file (default: ${CONFIG_FILE.variable}, or managed-agents-router.yaml)`,
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nSettings come from that file, from environment variables and from .env; docs/settings.md lists them.',
    )
    .exitOverride()
    // It repeats what was given, and an id may be copied from anywhere.
    .configureOutput({ writeErr: (text) => process.stderr.write(clean(text)) })
    .showHelpAfterError();
  const context: CommandContext = {
    environment: () => {
      const { config } = program.opts<{ config?: string }>();
      return { ...readEnvironment(), ...(config === undefined ? {} : { [CONFIG_FILE.variable]: config }) };
    },
    output: () => new Output(program.opts<{ json?: boolean }>().json === true),
    end,
  };
  addServeCommands(program, context);
  addInsideE2BCommand(program, context);
  addCodecServerCommand(program, context);
  addConfigCommand(program, context);
  addSetupCommand(program, context);
  addSendCommand(program, context);
  addTeardownCommand(program, context);
  addDeployCommand(program, context);
  addDoctorCommand(program, context);
  addSessionsCommand(program, context);
  addApprovalsCommand(program, context);
  addHooksCommand(program, context);
  addUsageCommand(program, context);
  addEnvironmentsCommand(program, context);
  addSandboxesCommand(program, context);
  return program;
}
