import { expect, it } from 'vitest';
import { BoundedMap } from '../../src/webhook/bounded-map.ts';
import { askWhereLikely } from '../../src/webhook/watched-sessions.ts';

const ASLEEP_AFTER_MS = 40_000;

/** @param answer of Temporal */
function asking(answer: () => boolean | Promise<boolean>, remembered?: number) {
  const asked: string[] = [];
  const clock = { ms: 0 };
  const isWatched = askWhereLikely(
    async (id) => {
      asked.push(id);
      return answer();
    },
    {
      asleepAfterMs: ASLEEP_AFTER_MS,
      now: () => clock.ms,
      ...(remembered === undefined ? {} : { recent: new BoundedMap(remembered) }),
    },
  );
  const after = (ms: number, id: string) => {
    clock.ms += ms;
    return isWatched(id);
  };
  return { asked, after };
}

it('asks about a session from its second delivery on: the first one may wake it, and is not delayed', async () => {
  const { asked, after } = asking(() => true);
  expect([await after(0, 'a'), await after(1_000, 'b'), await after(1_000, 'a')]).toEqual([
    false,
    false,
    true,
  ]);
  expect(asked).toEqual(['a']);
});

it('asks for every delivery of a watched session: the watch may end after each', async () => {
  const { asked, after } = asking(() => true);
  await after(0, 'a');
  await after(1_000, 'a');
  expect([await after(0, 'a'), await after(1, 'a')]).toEqual([true, true]);
  expect(asked).toHaveLength(3);
});

it('does not ask about a session that it has just signalled', async () => {
  const { asked, after } = asking(() => false);
  for (const ms of [0, 49, 1]) expect(await after(ms, 'a')).toBe(false);
  expect(asked).toHaveLength(1);
  // The answer was no, so it was signalled just now.
  for (const ms of [0, 49, 1]) await after(ms, 'a');
  expect(asked).toHaveLength(2);
});

it('does not ask about a session that was silent for longer than a watch stays', async () => {
  const { asked, after } = asking(() => true);
  await after(0, 'a');
  expect(await after(ASLEEP_AFTER_MS, 'a')).toBe(false);
  expect(asked).toEqual([]);
  expect(await after(ASLEEP_AFTER_MS - 1, 'a')).toBe(true);
});

it('takes a session for unwatched where the question fails: then it is signalled', async () => {
  const { asked, after } = asking(() => Promise.reject(new Error('14 UNAVAILABLE')));
  await after(0, 'a');
  expect(await after(1_000, 'a')).toBe(false);
  expect(asked).toEqual(['a']);
});

it('remembers the sessions of the latest deliveries only', async () => {
  const { after } = asking(() => true, 2);
  for (const id of ['a', 'b', 'a', 'c']) await after(500, id);
  expect([await after(500, 'b'), await after(500, 'c'), await after(500, 'a')]).toEqual([false, true, false]);
});
