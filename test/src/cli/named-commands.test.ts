// Commands that texts tell people to run exist, with these arguments and options: cures of `sessions show`, and documents.
import { globSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { createProgram } from '../../../src/cli/program.ts';
import { projectPath } from '../../../src/paths.ts';

/** Groups of commands that are commands themselves. */
const ACTING_GROUPS = ['e2b', 'inside-e2b'];

/** Parses the line without running anything. @throws CommanderError */
async function parse(line: string): Promise<void> {
  const program = createProgram(() => undefined);
  const quiet = (command: Command) => {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    if (command.commands.length === 0 || ACTING_GROUPS.includes(command.name()))
      command.action(() => undefined);
    command.commands.forEach(quiet);
  };
  quiet(program);
  await program.parseAsync(line.split(' '), { from: 'user' });
}

const CAUSES = ['session-causes', 'service-causes', 'temporal-causes'];
const DOCUMENTS = globSync(['*.md', 'docs/*.md'], { cwd: projectPath('.') }).filter(
  (file) => file !== 'docs/commands.md',
);

/** `command('…')` and `command(`…`)`; what is put in stands for an id. */
function commandsOf(source: string): string[] {
  return [...source.matchAll(/\bcommand\((['`])(.*?)\1\)/g)].map(([, , line = '']) =>
    line.replace(/\$\{[^}]*\}/g, 'some-id'),
  );
}

const textOf = (file: string) => readFileSync(projectPath(file), 'utf8');

const cures = CAUSES.flatMap((name) => {
  const source = readFileSync(projectPath(`src/cli/sessions/${name}.ts`), 'utf8');
  // All commands are named through `command`, so that none escapes this test.
  expect(source).not.toContain('managed-agents-router ');
  return commandsOf(source).map((line) => [line, name]);
});

const IN_TEXT = /`managed-agents-router ([a-z][^`\n|…]*)`/g;
const IN_A_BLOCK = /^(?:npx )?(?:managed-agents-router|npm run router --) ([a-z][^#|>\n…]*)/gm;

const documented = DOCUMENTS.flatMap((file) => {
  const text = textOf(file);
  const blocks = (text.match(/^```[\s\S]*?^```/gm) ?? []).join('\n');
  return [...text.matchAll(IN_TEXT), ...blocks.matchAll(IN_A_BLOCK)].map(([, line = '']) => [
    line
      .replace(/"[^"]*"/g, 'some-text')
      .replace(/\$PRICE\w*/g, '1')
      .replace(/<[^>]*>|\$[A-Z]+/g, 'some-id')
      .trim(),
    file,
  ]);
});

it('looks at many cures', () => expect(cures.length).toBeGreaterThan(12));

it.each(cures)('%s (%s)', parse);

it.each(documented)('%s (%s)', async (line) => {
  await parse(line).catch((error: Error & { code?: string }) => {
    // Documents also name commands without their arguments.
    if (error.code !== 'commander.missingArgument') throw error;
  });
});

it('README begins with commands that work in a clone, before anything is published', () => {
  const [, block = ''] = /## Against the real services\n+```sh\n(.*?)```/s.exec(textOf('README.md')) ?? [];
  const lines = block.trim().split('\n');
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) expect(line).toMatch(/^npm run router -- /);
  expect(JSON.parse(textOf('package.json')).scripts.router).toContain('src/main.ts');
});

it('refuses what does not exist', async () => {
  for (const wrong of ['sessions shew id', 'sessions show id --nope', 'sessions show', 'sessions show a b'])
    await expect(parse(wrong), wrong).rejects.toThrow(/unknown|missing|too many/);
});
