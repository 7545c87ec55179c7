import { expect, it, vi } from 'vitest';
import { askAboutKnown } from '../../src/webhook/watched-sessions.ts';

it('asks about a session from its second delivery on: the first one may wake it, and is not delayed', async () => {
  const asked: string[] = [];
  const isWatched = askAboutKnown(async (id) => asked.push(id) > 0);
  expect([await isWatched('a'), await isWatched('b'), await isWatched('a')]).toEqual([false, false, true]);
  expect(asked).toEqual(['a']);
});

it('takes sessions for unwatched while Temporal does not answer, and asks again seconds later', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    let asked = 0;
    const isWatched = askAboutKnown(async () => {
      asked += 1;
      if (asked === 1) throw new Error('8 RESOURCE_EXHAUSTED: namespace rate limit exceeded');
      return true;
    });
    for (const id of ['a', 'b']) await isWatched(id);
    expect([await isWatched('a'), await isWatched('b'), await isWatched('a')]).toEqual([false, false, false]);
    expect(asked).toBe(1);
    vi.advanceTimersByTime(6_000);
    expect(await isWatched('b')).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

it('remembers the sessions of the latest deliveries only', async () => {
  const isWatched = askAboutKnown(async () => true, 2);
  for (const id of ['a', 'b', 'a', 'c']) await isWatched(id);
  expect([await isWatched('b'), await isWatched('c'), await isWatched('a')]).toEqual([false, true, false]);
});
