import { expect, it } from 'vitest';
import { cleanResult, cleanText } from '../../../activities/tool-calls/clean-result.ts';

it.each([
  ['plain text, tabs\tand\r\nlines', 'plain text, tabs\tand\r\nlines'],
  ['é 漢字 \u{1f600} \u202e', 'é 漢字 \u{1f600} \u202e'],
  ['\x1b[1;31mred\x1b[0m\x1b[K', 'red'],
  ['\x1b]0;title\x07shell', 'shell'],
  ['\x1b]8;;https://a.b\x1b\\link\x1b]8;;\x1b\\', 'link'],
  ['\x1bP1;2|secret\x1b\\after', 'after'],
  ['\x1b(B\x1b=\x1bcafter', 'after'],
  ['an end \x1b', 'an end '],
  ['\x1b]never ended\nnext line', 'never ended\nnext line'],
  ['a\0b\x08c\x7fd\x9be', 'a\ufffdb\ufffdc\ufffdd\ufffde'],
  ['half \ud83d and \udc00 half', 'half \ufffd and \ufffd half'],
])('cleans %j', (text, cleaned) => {
  expect(cleanText(text)).toBe(cleaned);
  expect(cleanText(cleaned)).toBe(cleaned);
});

it.each(['\x1b', '\x1b[', '\x1b]', '\x1bP', '\x1b[1', '\0', '\ud800'])('takes megabytes of %j', (piece) => {
  const cleaned = cleanText(piece.repeat(2_000_000));
  for (const unwanted of ['\0', '\x1b', '\ud800']) expect(cleaned.includes(unwanted)).toBe(false);
});

it('cleans the text of every block and leaves the others as they are', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA\0=' } };
  const result = {
    content: [{ type: 'text', text: 'a\0' }, image, { type: 'text', text: '\x1b[1mb' }],
    isError: true,
  };
  expect(cleanResult(result as never)).toEqual({
    content: [{ type: 'text', text: 'a\ufffd' }, image, { type: 'text', text: 'b' }],
    isError: true,
  });
});
