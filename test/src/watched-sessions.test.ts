import { expect, it } from 'vitest';
import { askAboutKnown } from '../../src/webhook/watched-sessions.ts';

it('asks about a session from its second delivery on: the first one may wake it, and is not delayed', async () => {
  const asked: string[] = [];
  const isWatched = askAboutKnown(async (id) => asked.push(id) > 0);
  expect([await isWatched('a'), await isWatched('b'), await isWatched('a')]).toEqual([false, false, true]);
  expect(asked).toEqual(['a']);
});

it('takes a session for unwatched where the question fails: then it is signalled', async () => {
  const isWatched = askAboutKnown(() => Promise.reject(new Error('14 UNAVAILABLE')));
  await isWatched('a');
  expect(await isWatched('a')).toBe(false);
});

it('remembers the sessions of the latest deliveries only', async () => {
  const isWatched = askAboutKnown(async () => true, 2);
  for (const id of ['a', 'b', 'a', 'c']) await isWatched(id);
  expect([await isWatched('b'), await isWatched('c'), await isWatched('a')]).toEqual([false, true, false]);
});
