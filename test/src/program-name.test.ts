// Commands in messages are named as the person who reads them runs the program.
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';
import { programName, routerCommand } from '../../src/program-name.ts';
import { runCommand } from './cli/command-line.ts';

const CLONE = projectPath('');
const MAIN = projectPath('src/main.ts');
const NAME = 'managed-agents-router';

it.each([
  ['a clone, from its folder', MAIN, CLONE, 'npm run router --'],
  ['a clone, from another folder, where npm would not find .env', MAIN, tmpdir(), NAME],
  ['a package of a project', `/project/node_modules/.bin/${NAME}`, tmpdir(), `npx ${NAME}`],
  ['a global package', `/usr/local/bin/${NAME}`, tmpdir(), NAME],
  ['a script that is gone', '/nowhere/main.ts', CLONE, NAME],
  ['no script', undefined, CLONE, NAME],
])('%s', (_what, script, folder, name) => {
  expect(programName(script, folder)).toBe(name);
});

it('puts the command after the name', () => {
  expect(routerCommand('sessions show sesn_1')).toBe(`${NAME} sessions show sesn_1`);
});

it('names what can be copied in a clone', async () => {
  const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const { stderr } = await runCommand(['sessions', 'list'], env, '', CLONE);
  expect(stderr).toContain('"npm run router -- start"');
});
