// .env is written whole, only its owner can read it, and lines that are not ours stay.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeFromEnvFile, withVariables, writeEnvFile } from '../../../../src/cli/setup/env-file.ts';
import { projectPath } from '../../../../src/paths.ts';

const KEY = 'sk-ant-oat01-abc_DEF-123';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'env-file-'));
  file = join(dir, '.env');
});
afterEach(() => rmSync(dir, { recursive: true }));

it.each([
  ['a new file', '', 'A=new\n'],
  ['comments and other lines', '# mine\n\nOTHER=1 # why\n', '# mine\n\nOTHER=1 # why\nA=new\n'],
  ['a value that is replaced where it stands', 'A=old\nB=2\n', 'A=new\nB=2\n'],
  ['an exported value', '  export A = old\nB=2\n', '  export A=new\nB=2\n'],
  ['a name set twice, of which the last counts', 'A=1\nA=2\n', 'A=1\nA=new\n'],
  ['a commented value, which stays a comment', '#A=old\n', '#A=old\nA=new\n'],
  ['a longer name', 'AA=1\nBA=2\n', 'AA=1\nBA=2\nA=new\n'],
  ['no line break at the end', 'B=2', 'B=2\nA=new\n'],
  ['line breaks of Windows', 'B=2\r\nA=1\r\n', 'B=2\r\nA=new\r\n'],
])('%s', (_what, before, after) => {
  expect(withVariables(before, { A: 'new' })).toBe(after);
  expect(parseEnv(after).A).toBe('new');
});

it.each(['two words', 'with"quote', "with'quote", 'a#b', 'a\nB=2', 'back\\slash', 'ünicode', ''])(
  'refuses a value that would be read back differently, and does not quote it: %j',
  (value) => {
    expect(() => withVariables('', { A: value })).toThrow(/^A has characters that .env cannot hold/);
  },
);

it('only its owner can read it, also if all could before', () => {
  writeFileSync(file, 'B=2\n', { mode: 0o644 });
  writeEnvFile(file, { A: KEY });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(parseEnv(readFileSync(file, 'utf8'))).toEqual({ A: KEY, B: '2' });
  expect(readdirSync(dir)).toEqual(['.env']);
});

it('a link stays a link', () => {
  const target = join(dir, 'shared.env');
  writeFileSync(target, 'B=2\n');
  symlinkSync(target, file);
  writeEnvFile(file, { A: KEY });
  expect(parseEnv(readFileSync(target, 'utf8'))).toEqual({ A: KEY, B: '2' });
});

it('removes variables and nothing else', () => {
  writeFileSync(file, '# A=1\nA=1\nexport A=2\nB=2\nAB=3\n');
  expect(removeFromEnvFile(file, ['A', 'C'])).toEqual(['A']);
  expect(readFileSync(file, 'utf8')).toBe('# A=1\nB=2\nAB=3\n');
  expect(removeFromEnvFile(join(dir, 'absent'), ['A'])).toEqual([]);
  expect(existsSync(join(dir, 'absent'))).toBe(false);
});

it('says why a file cannot be written', () => {
  const missing = join(dir, 'no-folder', '.env');
  expect(() => writeEnvFile(missing, { A: 'new' })).toThrow(/cannot be written \(ENOENT\), and is as it was/);
});

/** Runs a command with a disk of 32 KiB mounted over the folder; needs root or user namespaces. */
const onSmallDisk = (command: string[]) =>
  spawnSync('unshare', [
    '--map-root-user',
    '--mount',
    'sh',
    '-c',
    'mount -t tmpfs -o size=32k t "$0" && echo A=old > "$0/.env" && "$@"; cat "$0/.env"; ls -A "$0"',
    dir,
    ...command,
  ]);
const canMount = spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0;

it.skipIf(!canMount)('a full disk leaves the file as it was, and nothing beside it', () => {
  const module = projectPath('src/cli/setup/env-file.ts');
  const code = `import { writeEnvFile } from ${JSON.stringify(module)};
    try { writeEnvFile(process.argv[1] + '/.env', { B: 'x'.repeat(60_000) }); } catch (error) { console.error(error.message); }`;
  const { stdout, stderr } = onSmallDisk([process.execPath, '--input-type=module', '-e', code, dir]);
  expect(String(stderr)).toContain('cannot be written (ENOSPC), and is as it was');
  expect(String(stdout)).toBe('A=old\n.env\n');
});
