// Generates docs/commands.md from the command line itself, so that each command is described once, in its own file.
//
//   node scripts/commands.ts
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Argument, Command, Option } from 'commander';
import { EXIT } from '../src/cli/command.ts';
import { createProgram } from '../src/cli/program.ts';
import { projectPath } from '../src/paths.ts';

export const COMMANDS_PAGE = 'docs/commands.md';

const EXIT_CODES: Record<keyof typeof EXIT, string> = {
  done: 'done',
  failed: 'failed; the message says what, and how to go on',
  usage: 'wrong command line or wrong configuration',
  notFound: 'no such session, environment or sandbox',
  refused: 'refused: the present state does not allow it; the message says which states do',
  unreachable: 'a service cannot be reached or refuses the credential',
  interrupted: 'interrupted',
};

/** The text of docs/commands.md. */
export function commandsPage(program: Command = createProgram(() => undefined)): string {
  const commands = leavesOf(program);
  return `<!-- Made by scripts/commands.ts from src/cli/. Do not edit. -->
# Commands

${program.description()}

In a container: \`docker compose exec worker ${program.name()} …\`. In a clone: \`npm run router -- …\`.

- Settings come from the environment, from \`.env\` and from the configuration file: [settings.md](settings.md). Commands that
  only look need the settings for Temporal and no running worker; a command that needs a key names the key.
- With \`--json\` a command prints one JSON value on standard output, and everything else on standard error. Without it, tables
  fit the terminal, and colours show on a terminal only.

${optionsTable(program)}

| exit code | meaning |
| --- | --- |
${Object.entries(EXIT)
  .map(([name, code]) => `| ${code} | ${EXIT_CODES[name as keyof typeof EXIT]} |`)
  .join('\n')}

| command | what it does |
| --- | --- |
${commands.map((command) => `| [\`${pathOf(command)}\`](#${pathOf(command).replaceAll(' ', '-')}) | ${cell(command.summary() || command.description())} |`).join('\n')}

${commands.map(section).join('\n\n')}
`;
}

/** Every command that can be run, in the order of the help. */
function leavesOf(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter(isOurs)
    .flatMap((each) => {
      const below = leavesOf(each);
      // A group that has options of its own is a command, too.
      return below.length === 0 || each.options.length > 0 ? [each, ...below] : below;
    });
}

/** Commander adds `help` to each group. */
function isOurs(command: Command): boolean {
  return command.name() !== 'help';
}

/** `sessions list`: the names from below the program down. */
function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '';
}

function section(command: Command): string {
  const path = pathOf(command);
  const { registeredArguments } = command;
  const root = rootOf(command).name();
  const parts = [
    `## ${path}`,
    `\`${[root, path, ...registeredArguments.map(usageOf), '[options]'].join(' ')}\``,
    sentence(command.description()),
    registeredArguments.some(({ description }) => description) ? argumentsTable(registeredArguments) : '',
    optionsTable(command),
  ];
  return parts.filter(Boolean).join('\n\n');
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

function usageOf(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? '...' : '');
  return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentsTable(all: readonly Argument[]): string {
  const rows = all.map((each) => `| \`${usageOf(each)}\` | ${cell(each.description)} |`);
  return ['| argument | meaning |', '| --- | --- |', ...rows].join('\n');
}

function optionsTable(command: Command): string {
  const options = command.options.filter(({ hidden }) => !hidden);
  if (options.length === 0) return '';
  return ['| option | meaning | default |', '| --- | --- | --- |', ...options.map(optionRow)].join('\n');
}

function optionRow({ flags, description, argChoices, defaultValue }: Option): string {
  const choices = argChoices ? `; one of ${argChoices.map((each) => `\`${each}\``).join(', ')}` : '';
  const fallback = defaultValue === undefined ? '' : `\`${cell(String(defaultValue))}\``;
  return `| \`${cell(flags)}\` | ${cell(description)}${choices} | ${fallback} |`;
}

/** Text that does not end its cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s+/g, ' ');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(projectPath(COMMANDS_PAGE), commandsPage());
