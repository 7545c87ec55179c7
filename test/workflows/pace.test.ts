import { expect, it } from 'vitest';
import { earlier, Pace, type Paced } from '../../workflows/pace.ts';

const MINUTE = 60_000;

/** Takes the step whenever it may be taken. @returns how long after the step before each was taken */
function pausesOf(paced: Paced, times: number, progress: (time: number) => string): number[] {
  let time = 0;
  const pace = new Pace(paced, () => progress(time));
  let now = 1_000_000;
  const pauses: number[] = [];
  for (; time < times; time += 1) {
    const due = pace.may('run', now) ? now : (pace.nextPauseEnds(now) ?? Number.NaN);
    pauses.push(due - now);
    now = due;
    pace.record('run', now);
  }
  return pauses;
}

it('waits longer before each repetition that nothing has come of, at most five minutes', () => {
  const pauses = pausesOf({}, 16, () => '');
  expect(pauses.slice(0, 9)).toEqual([0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000]);
  expect(pauses.at(-1)).toBe(5 * MINUTE);
});

it('keeps no step waiting that achieves something', () => {
  expect(pausesOf({}, 100, String).every((pause) => pause === 0)).toBe(true);
});

it('starts afresh after progress, and after a minute in which the step was not due', () => {
  const paced: Paced = {};
  let progress = 'one';
  const pace = new Pace(paced, () => progress);
  for (let time = 0; time < 10; time += 1) pace.record('run', 0);
  expect(pace.may('run', MINUTE / 2)).toBe(false);
  expect(pace.may('watchSession', 0)).toBe(true);
  progress = 'two';
  expect(pace.may('run', 0)).toBe(true);
  expect(pace.nextPauseEnds(0)).toBeNull();
  progress = 'one';
  pace.record('run', 64_000 + 2 * MINUTE);
  expect(pace.may('run', 64_000 + 2 * MINUTE)).toBe(true);
});

it('knows the earlier of two moments, of which each may never come', () => {
  expect([earlier(1, 2), earlier(2, null), earlier(null, 2), earlier(null, null)]).toEqual([1, 2, 2, null]);
});
