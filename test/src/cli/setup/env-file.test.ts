// .env is written whole, only its owner can read it, and lines that are not ours stay.
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
