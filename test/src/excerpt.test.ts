import { expect, it } from 'vitest';
import { excerpt } from '../../src/clients/excerpt.ts';

it.each([
  ['plain text, äöü and 漢字', 'plain text, äöü and 漢字'],
  ['two\r\nlines\ttab', 'two lines tab'],
  ['\u001b[31mred\u0007', '[31mred'],
  ['invoice\u202etxt.exe', 'invoice txt.exe'],
  ['zero\u200bwidth\u2028line', 'zero width line'],
  ['half \ud83d of a pair', 'half   of a pair'],
  [7, '7'],
  [undefined, 'undefined'],
])('%j becomes %j', (text, shown) => {
  expect(excerpt(text)).toBe(shown);
});

it('is short, has only whole characters, and shows that it was cut', () => {
  const cut = excerpt('😀'.repeat(1000), 20);
  expect(cut).toHaveLength(20);
  expect(cut).toMatch(/^😀+ ?…$/u);
  expect(excerpt('x'.repeat(10_000_000), 50)).toBe(`${'x'.repeat(49)}…`);
  expect(excerpt('x'.repeat(50), 50)).toBe('x'.repeat(50));
});
