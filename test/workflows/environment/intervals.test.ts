import { expect, it } from 'vitest';
import { claimPauseMs, reconcileEveryMs } from '../../../workflows/environment/intervals.ts';

it.each([
  [undefined, 300_000],
  [null, 300_000],
  [Number.NaN, 300_000],
  ['often', 300_000],
  [0, 300_000],
  [-1, 1_000],
  [Number.NEGATIVE_INFINITY, 1_000],
  [1, 1_000],
  [60_000, 60_000],
  [1e300, 86_400_000],
  [Number.POSITIVE_INFINITY, 86_400_000],
])('reconciles at a possible interval: %s', (asked, everyMs) => {
  expect(reconcileEveryMs(asked)).toBe(everyMs);
});

it.each([
  [60, 1_000],
  [7, 8_572],
  [1e300, 100],
  [Number.POSITIVE_INFINITY, 600_000],
  [1e-300, 600_000],
  [0, 600_000],
  [-5, 600_000],
  [Number.NaN, 600_000],
])('pauses after a claim, at %s claims a minute', (perMinute, pauseMs) => {
  expect(claimPauseMs(perMinute, false)).toBe(pauseMs);
});

it('pauses for a second at least after a claim that failed', () => {
  expect(claimPauseMs(1e300, true)).toBe(1_000);
  expect(claimPauseMs(30, true)).toBe(2_000);
});
