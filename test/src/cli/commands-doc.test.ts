// docs/commands.md describes every command, and each command can be run from the top.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { COMMANDS_PAGE, commandsPage } from '../../../scripts/commands.ts';
import { EXIT } from '../../../src/cli/command.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { projectPath } from '../../../src/paths.ts';

it('docs/commands.md is what `npm run settings` writes', () => {
  expect(readFileSync(projectPath(COMMANDS_PAGE), 'utf8')).toBe(commandsPage());
});

it('describes commands at any depth with their arguments, options, choices and defaults', () => {
  const program = new Command('router').description('Routes.').option('--json', 'print JSON');
  const group = program.command('things').description('handle things');
  group
    .command('show [id]')
    .description('show a | b')
    .argument('<other...>', 'further ids')
    .option('--limit <count>', 'at most', '5');
  program.command('secret', { hidden: true }).description('hidden');
  const page = commandsPage(program);
  expect(page).toContain('| [`things show`](#things-show) | show a \\| b |');
  expect(page).toContain('`router things show [id] <other...> [options]`');
  expect(page).toContain('| `<other...>` | further ids |');
  expect(page).toContain('| `--limit <count>` | at most | `5` |');
  expect(page).not.toContain('secret');
  for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} \\| \\S`, 'm'));
});

it('every command and option says what it does', () => {
  const check = (command: Command) => {
    expect(command.description(), command.name()).toMatch(/\S/);
    for (const { flags, description } of command.options) expect(description, flags).toMatch(/\S/);
    command.commands.forEach(check);
  };
  check(createProgram(() => undefined));
});
