import { expect, it } from 'vitest';
import {
  nextSlotStep,
  openSlots,
  readWanted,
  recordGranted,
  recordReturned,
  recordWanted,
  type SlotsState,
} from '../../../workflows/sandbox-slots/state.ts';

const NOW = 1_000_000;

function slots(running: number, startsPerSecond = 0) {
  const state = openSlots();
  const want = (holder: string, environmentId = 'env_1', environmentLimit = 0) =>
    recordWanted(state, { holder, environmentId, limits: { running, startsPerSecond }, environmentLimit });
  return { state, want };
}

/** Grants all slots that can be granted now. @returns the workflows that got one, and the positions announced to others */
function settle(state: SlotsState, now = NOW) {
  const granted: string[] = [];
  const announced: Record<string, number> = {};
  for (;;) {
    const step = nextSlotStep(state, now);
    if (step.do === 'wait') return { granted, announced, until: step.until };
    if (step.do === 'grant') {
      recordGranted(state, step.waiting, now);
      granted.push(step.waiting.id);
    } else {
      step.waiting.announced = step.position;
      announced[step.waiting.id] = step.position;
    }
  }
}

it('grants as many slots as there are, in the order of requests, and announces the positions of the rest', () => {
  const { state, want } = slots(2);
  for (const id of ['a', 'b', 'c', 'd']) want(id);
  expect(settle(state)).toEqual({ granted: ['a', 'b'], announced: { c: 1, d: 2 }, until: null });
  recordReturned(state, 'a');
  expect(settle(state)).toEqual({ granted: ['c'], announced: { d: 1 }, until: null });
});

it('starves none: of a hundred, each gets a slot before any gets a second one', () => {
  const { state, want } = slots(3);
  const all = Array.from({ length: 100 }, (_, index) => `s${index}`);
  for (const id of all) want(id);
  const served: string[] = [];
  while (served.length < 100) {
    const { granted } = settle(state);
    served.push(...granted);
    for (const id of granted) {
      recordReturned(state, id);
      want(id);
    }
  }
  expect(served.slice(0, 100)).toEqual(all);
});

it('does not let an environment at its own limit keep another environment waiting', () => {
  const { state, want } = slots(10);
  for (const id of ['a1', 'a2', 'a3']) want(id, 'env_a', 1);
  want('b1', 'env_b');
  expect(settle(state).granted).toEqual(['a1', 'b1']);
  recordReturned(state, 'a1');
  expect(settle(state).granted).toEqual(['a2']);
});

it('starts no more in a second than allowed', () => {
  const { state, want } = slots(0, 2);
  for (const id of ['a', 'b', 'c']) want(id);
  expect(settle(state)).toMatchObject({ granted: ['a'], until: NOW + 500 });
  expect(settle(state, NOW + 499)).toMatchObject({ granted: [] });
  expect(settle(state, NOW + 500)).toMatchObject({ granted: ['b'], until: NOW + 1000 });
  // A pause allows no burst.
  expect(settle(state, NOW + 60_000).granted).toEqual(['c']);
  want('d');
  expect(settle(state, NOW + 60_000)).toMatchObject({ granted: [], until: NOW + 60_500 });
});

it('answers a repeated request again, and keeps its place', () => {
  const { state, want } = slots(1);
  for (const id of ['a', 'b', 'c']) want(id);
  settle(state);
  expect(want('a')).toBe(true);
  expect(want('b')).toBe(false);
  expect(settle(state)).toEqual({ granted: [], announced: { b: 1 }, until: null });
});

it('follows the limits of the latest request', () => {
  const small = slots(1);
  for (const id of ['a', 'b', 'c']) small.want(id);
  settle(small.state);
  recordWanted(small.state, {
    holder: 'd',
    environmentId: 'env_1',
    limits: { running: 3, startsPerSecond: 0 },
    environmentLimit: 0,
  });
  expect(settle(small.state).granted).toEqual(['b', 'c']);
});

it('forgets whoever returns, waiting or not, and says far places roughly', () => {
  const { state, want } = slots(1);
  for (let index = 0; index <= 45; index += 1) want(`s${index}`);
  expect(settle(state).announced).toMatchObject({ s1: 1, s10: 10, s11: 20, s45: 50 });
  recordReturned(state, 's5');
  const { announced } = settle(state);
  expect(announced.s6).toBe(5);
  expect(announced).not.toHaveProperty('s25');
  recordReturned(state, 's5');
});

it.each([
  ['nothing', null],
  ['a text', 'slot'],
  ['no holder', { environmentId: 'env_1', limits: { running: 1, startsPerSecond: 0 }, environmentLimit: 0 }],
  [
    'a long holder',
    {
      holder: 'h'.repeat(501),
      environmentId: 'env_1',
      limits: { running: 1, startsPerSecond: 0 },
      environmentLimit: 0,
    },
  ],
  ['no limits', { holder: 'a', environmentId: 'env_1', environmentLimit: 0 }],
  [
    'limits that are none',
    {
      holder: 'a',
      environmentId: 'env_1',
      limits: { running: '1', startsPerSecond: -1 },
      environmentLimit: 0,
    },
  ],
  [
    'no share of its environment',
    { holder: 'a', environmentId: 'env_1', limits: { running: 1, startsPerSecond: 0 } },
  ],
])('takes no request that is malformed: %s', (_what, message) => {
  expect(readWanted(message as never)).toBeNull();
});

it('takes no more of a request than it knows', () => {
  const wanted = {
    holder: 'a',
    environmentId: 'env_1',
    limits: { running: 1, startsPerSecond: 2 },
    environmentLimit: 0,
  };
  expect(readWanted({ ...wanted, junk: 'x' } as never)).toEqual(wanted);
});
