// What commands print for people and for scripts.
import { PassThrough } from 'node:stream';
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

function outputOf(json: boolean, columns?: number): { output: Output; written: () => string } {
  const stream = Object.assign(new PassThrough(), { columns }) as unknown as NodeJS.WriteStream;
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
