// The six tools as the model uses them: inputs, outputs, limits, errors.
import { existsSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Call } from '../../toolhost/call.ts';
import { RunningToolhost, textOf } from './running-toolhost.ts';

const host = new RunningToolhost();
let calls = 0;

beforeAll(() => host.start());
afterAll(() => host.remove());

const run = (name: string, input: unknown): Promise<Call> => host.put(`call_${calls++}`, name, input);
const bash = (command: string) => host.bash(`call_${calls++}`, command);

async function ok(name: string, input: unknown): Promise<string> {
  const call = await run(name, input);
  expect(call).toMatchObject({ state: 'finished', result: { isError: false } });
  return textOf(call);
}

async function failed(name: string, input: unknown): Promise<string> {
  const call = await run(name, input);
  expect(call).toMatchObject({ state: 'finished', result: { isError: true } });
  return textOf(call);
}

test('write, read, edit, grep and glob one file', async () => {
  expect(await ok('write', { file_path: 'src/a.txt', content: 'one\ntwo\nthree\n' })).toBe(
    'wrote 14 bytes to src/a.txt',
  );
  expect(await ok('read', { file_path: 'src/a.txt' })).toBe('one\ntwo\nthree\n');
  expect(await ok('read', { file_path: join(host.workdir, 'src/a.txt'), view_range: [2, 3] })).toBe(
    'two\nthree',
  );
  expect(await ok('edit', { file_path: 'src/a.txt', old_string: 'two', new_string: '2' })).toContain(
    'edited',
  );
  expect(await ok('grep', { pattern: '^2$', path: 'src' })).toContain('a.txt:2:2');
  expect(await ok('grep', { pattern: 'nowhere' })).toBe('no matches');
  expect(await ok('glob', { pattern: '**/*.txt' })).toBe(join(host.workdir, 'src/a.txt'));
  expect(await failed('edit', { file_path: 'src/a.txt', old_string: 'two', new_string: '' })).toContain(
    'edit:',
  );
});

test('glob: newest first, without hidden directories, nothing outside the working directory', async () => {
  const at = (name: string) => join(host.workdir, 'globbed', name);
  for (const dir of ['deep/er', '.git', 'node_modules/x']) mkdirSync(at(dir), { recursive: true });
  for (const [age, name] of [
    'b.md',
    'deep/a.md',
    'deep/er/c.txt',
    '.git/d.md',
    'node_modules/x/e.md',
  ].entries()) {
    writeFileSync(at(name), name);
    utimesSync(at(name), 1_700_000_000 - age, 1_700_000_000 - age);
  }
  symlinkSync('/etc', at('out'));
  const glob = async (pattern: string) =>
    (await ok('glob', { pattern, path: 'globbed' }))
      .split('\n')
      .map((file) => file.replace(`${at('')}/`, ''));
  expect(await glob('**/*.md')).toEqual(['b.md', 'deep/a.md']);
  expect(await glob('*.md')).toEqual(['b.md']);
  expect(await glob('./deep/*')).toEqual(['deep/a.md']);
  expect(await glob('**/*.{txt,md}')).toEqual(['b.md', 'deep/a.md', 'deep/er/c.txt']);
  expect(await glob('deep/**')).toEqual(['deep/a.md', 'deep/er/c.txt']);
  expect(await glob('**/[ab].md')).toEqual(['b.md', 'deep/a.md']);
  expect(await glob('out/passwd')).toEqual(['no matches']);
  expect(await failed('glob', { pattern: '../*' })).toContain('..');
  expect(await failed('glob', { pattern: '/etc/*' })).toContain('relative');
});

test('the file tools do not leave the working directory, not even over links', async () => {
  symlinkSync('/etc', join(host.workdir, 'link'));
  for (const file_path of ['/etc/passwd', '../outside', 'link/passwd']) {
    expect(await failed('read', { file_path })).toContain("outside the session's working directory");
    expect(await failed('write', { file_path, content: '' })).toContain('outside');
  }
});

test('the working directory is created again if a command has removed it', async () => {
  await bash(`rm -rf ${host.workdir}`);
  await ok('bash', { restart: true });
  expect(await bash('pwd')).toBe(host.workdir);
  rmSync(host.workdir, { recursive: true });
  await ok('write', { file_path: 'x', content: 'x' });
  expect(existsSync(join(host.workdir, 'x'))).toBe(true);
});

test('of a long file the first 100 KiB are shown, with a note', async () => {
  writeFileSync(join(host.workdir, 'big'), `begin ${'ö'.repeat(60_000)}`);
  const read = await ok('read', { file_path: 'big' });
  expect(Buffer.byteLength(read)).toBeLessThanOrEqual(100 * 1024);
  expect(read).toMatch(/^begin ö+�?\n\[cut: only the first part of 120006 bytes is shown\]$/);
});

test('unknown tools and invalid inputs are error results', async () => {
  expect(await failed('web_search', { query: 'x' })).toBe(
    'There is no tool "web_search" here, only bash, read, write, edit, glob, grep.',
  );
  expect(await failed('__proto__', {})).toContain('There is no tool');
  for (const input of [null, [], 'ls', 7])
    expect(await failed('bash', input)).toBe('bash: the input must be an object');
  expect(await failed('bash', { command: ['ls'] })).toBe('bash: command must be a string');
  expect(await failed('bash', { command: 'ls', timeout_ms: 'soon' })).toBe(
    'bash: timeout_ms must be an integer',
  );
  expect(await failed('read', {})).toBe('read: file_path is required');
  expect(await failed('read', { file_path: 'x', view_range: 'all' })).toContain('must be a list of integers');
  expect(await failed('write', { file_path: 'x', content: { a: 1 } })).toBe(
    'write: content must be a string',
  );
  expect(await failed('write', { file_path: 'a\0b', content: '' })).toContain('i/o error');
  expect(await failed('grep', { pattern: '(' })).toContain('grep:');
  expect((await host.request('GET', '/health')).body).toMatchObject({ ok: true });
});

test("a timeout of 0 means the default, as the tool's schema says", async () => {
  expect(await ok('bash', { command: 'echo in time', timeout_ms: 0 })).toBe('in time');
});
