import { describe, expect, it } from 'vitest';
import { openSession } from '../../../workflows/session/state.ts';
import { beginWatch, dismissWatch, isOfNewestWatch } from '../../../workflows/session/watch-state.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const settings = { graceMs: 30_000, retentionMs: 3_600_000, searchAttributes: true };
const watched = () => {
  const state = openSession({ sessionId: 'sesn_1', environmentId: 'env_1', settings }, NOW);
  return { state, since: beginWatch(state, NOW) };
};

describe('a watch', () => {
  it('is listened to from its newest attempt on', () => {
    const { state, since } = watched();
    expect(isOfNewestWatch(state, { since, attempt: 2 })).toBe(true);
    expect(isOfNewestWatch(state, { since, attempt: 1 })).toBe(false);
  });

  it('is out of date once it was dismissed, whichever attempt of it speaks', () => {
    const { state, since } = watched();
    dismissWatch(state);
    expect(isOfNewestWatch(state, { since, attempt: 1 })).toBe(false);
    expect(isOfNewestWatch(state, { since, attempt: 9 })).toBe(false);
  });

  it('that follows a dismissed one is listened to, even if it begins in the same millisecond', () => {
    const { state, since } = watched();
    dismissWatch(state);
    const next = beginWatch(state, NOW);
    expect(next).toBeGreaterThan(since + 1);
    expect(isOfNewestWatch(state, { since: next, attempt: 1 })).toBe(true);
  });

  it('need not exist to be dismissed', () => {
    const { state } = watched();
    delete state.watch;
    dismissWatch(state);
    expect(state.watch).toBeUndefined();
  });
});
