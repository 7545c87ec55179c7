// What commands print for people and for scripts.
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { clean, Output, oneLine } from '../../../src/cli/output.ts';

const sessions = [
  { id: 'sesn_1', doing: 'waits for approval of rm -rf /' },
  { id: 'sesn_2', doing: 'x'.repeat(300) },
];
const columns = [
  { title: 'SESSION', of: ({ id }: (typeof sessions)[number]) => id },
  { title: 'DOING', of: ({ doing }: (typeof sessions)[number]) => doing },
];

function outputOf(json: boolean, columns?: number, isTTY = false): { output: Output; written: () => string } {
  const stream = Object.assign(new PassThrough(), { columns, isTTY }) as unknown as NodeJS.WriteStream;
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  return { output: new Output(json, stream, stream), written: () => text };
}

it.each([80, 40])('a table is not wider than %i columns, and long cells end with …', (width) => {
  const lines = outputOf(false, width).output.table(sessions, columns).split('\n');
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  expect(lines[2]).toMatch(/^sesn_2 +x+…$/);
});

it('a terminal that reports no columns is one of 80', () => {
  const { output, written } = outputOf(false, 0, true);
  expect(output.width).toBe(80);
  output.result(null, () => 'One line of a few words');
  expect(written()).toBe('One line of a few words\n');
});

it('an id stays whole where the other columns have to give way', () => {
  const id = `sesn_${'x'.repeat(40)}`;
  const rows = [{ id, doing: 'y'.repeat(300) }];
  const [first, second] = columns as [(typeof columns)[0], (typeof columns)[0]];
  const [, line = ''] = outputOf(false, 60)
    .output.table(rows, [{ ...first, whole: true }, second])
    .split('\n');
  expect(line).toContain(`${id}  yyy`);
  expect(line.length).toBeLessThanOrEqual(60);
});

it.each([
  'managed-agents-router sessions interrupt sesn_1',
  'npm run router -- sessions interrupt sesn_12345',
])('a terminal gets lines that fit, below their title, with commands in one piece: %s', (command) => {
  const { output, written } = outputOf(false, 60);
  const text = `To move it    It ends by itself, at its own time limit. Sooner: ${command}; or wait a little longer for it`;
  output.result(null, () => text);
  expect(written()).toBe(`${text}\n`);
  const terminal = outputOf(false, 62, true);
  terminal.output.result(null, () => text);
  const lines = terminal.written().trimEnd().split('\n');
  expect(lines).toEqual([
    'To move it    It ends by itself, at its own time limit.',
    '              Sooner:',
    `              ${command};`,
    '              or wait a little longer for it',
  ]);
});

it('an address that is longer than a line stays beside its title', () => {
  const { output, written } = outputOf(false, 60, true);
  const address = `http://127.0.0.1:8233/${'x'.repeat(80)}`;
  output.result(null, () => `${'\u001b[1mTemporal UI  \u001b[22m'} ${address}`);
  expect(stripVTControlCharacters(written())).toBe(`Temporal UI   ${address}\n`);
});

it('80 columns are assumed where the terminal does not say', () => {
  expect(outputOf(false).output.width).toBe(80);
});

it('escape sequences and control characters of untrusted text are removed', () => {
  const hostile = '\u001b]0;owned\u0007a\u001b[2Jb\u0000c\u202e\u009bd\r\ne\tf';
  expect(clean(hostile)).toBe('abcd\ne\tf');
  expect(oneLine(hostile)).toBe('abcd e f');
});

it('JSON is one value on one line where no terminal reads it', () => {
  const { output, written } = outputOf(true);
  output.result({ id: 'sesn_1' }, () => 'not printed');
  expect(written()).toBe('{"id":"sesn_1"}\n');
});

it('text is printed where JSON is not wanted', () => {
  const { output, written } = outputOf(false);
  output.result({ id: 'sesn_1' }, () => 'one session');
  expect(written()).toBe('one session\n');
});
