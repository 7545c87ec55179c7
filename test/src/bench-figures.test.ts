// How the benchmark makes figures of what it has measured.
import { expect, it } from 'vitest';
import { percentile } from '../../bench/percentile.ts';
import { stepsOf } from '../../bench/profile/timeline.ts';

it.each([
  ['the middle one of three', [30, 10, 20], 0.5, 20],
  ['between the middle two of two', [20, 10], 0.5, 15],
  ['between the middle two of eight', [1, 2, 3, 4, 5, 6, 7, 8], 0.5, 4.5],
  ['the largest', [3, 1, 2], 1, 3],
  ['the only one', [7], 0.95, 7],
  ['none of none', [], 0.5, Number.NaN],
])('a percentile is %s', (_what, values, share, value) => {
  expect(percentile(values, share)).toBe(value);
});

it('the steps of calls are medians since their beginning, in order; what happens again has a number, what is rare is left out', () => {
  const calls = [
    { from: 100, to: 200 },
    { from: 200, to: 300 },
    { from: 300, to: 400 },
  ];
  const marks = [
    { at: 50, what: 'before' },
    ...calls.flatMap(({ from }, index) => [
      { at: from + 40 + index, what: 'sent' },
      { at: from + 10 + index, what: 'sent' },
      { at: from + 20 + index, what: 'answered' },
    ]),
    { at: 205, what: 'rare' },
    { at: 400, what: 'after' },
  ];
  expect(stepsOf(marks, calls).map(({ what, median }) => [what, median])).toEqual([
    ['sent', 11],
    ['answered', 21],
    ['sent (2)', 41],
  ]);
});
