// The router inside E2B is put back to an earlier snapshot: its database does not know what has happened since then.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RouterInside } from '../../harness/router-inside.ts';
import { openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { atRest, endState } from '../crash/crash-world.ts';
import {
  counted,
  gated,
  hasRun,
  onceEach,
  openGate,
  run,
  settled,
  startPausableRouter,
} from '../integration/pause-phases.ts';

let router: RouterInside;
beforeAll(async () => {
  router = await startPausableRouter({ graceSeconds: 3 });
  await router.start();
}, 180_000);
afterAll(() => router?.close());

it('sessions go on from an earlier snapshot: each call runs once, each result arrives once', async () => {
  const say = (id: string, text: string) => sendMessage(router.anthropic, id, text);
  const [inCall, ended, asleep, later] = await Promise.all([0, 1, 2, 3].map(() => openSession(router)));
  if (!inCall || !ended || !asleep || !later) throw new Error('no sessions');
  await takeTurn(router.anthropic, asleep, run(counted('a')));
  expect(await endState(router, asleep)).toEqual(atRest(1));
  for (const id of [inCall, ended]) await say(id, run(gated('a'), gated('b')));
  for (const id of [inCall, ended]) await until('its call runs', () => hasRun(router, id), 120_000);
  router.keepData();

  // What the snapshot does not know: the next call runs, a turn ends, another session takes a turn, a session begins.
  for (const id of [inCall, ended]) await openGate(router, id, 'a');
  await openGate(router, ended, 'b');
  await takeTurn(router.anthropic, asleep, run(counted('b')));
  await takeTurn(router.anthropic, later, run(counted('a')));
  for (const id of [ended, asleep, later]) await endState(router, id);
  await until('the second call runs', () => hasRun(router, inCall, 'b'), 120_000);
  await router.kill();
  router.restoreData();
  await router.start();
  await openGate(router, inCall, 'b');

  expect(await settled(router, inCall, 2)).toEqual(onceEach(['a', 'b']));
  expect(await settled(router, ended, 2)).toEqual(onceEach(['a', 'b']));
  for (const [id, before] of [
    [inCall, ['a', 'b']],
    [ended, ['a', 'b']],
    [asleep, ['a', 'b']],
    [later, ['a']],
  ] as const) {
    await takeTurn(router.anthropic, id, run(counted('c')));
    expect(await settled(router, id, before.length + 1)).toEqual(onceEach([...before, 'c']));
  }
});
