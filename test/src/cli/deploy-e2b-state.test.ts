// When a router inside E2B counts as serving.
import { expect, it } from 'vitest';
import { isServing, type RouterState, whyNotServing } from '../../../src/cli/deploy-e2b/state.ts';

const serving: RouterState = {
  lives: true,
  pid: 7,
  release: '1-a',
  version: '1',
  webhook: 'runs',
  worker: 'runs',
  problems: ['The file log-level is empty: write the value into it'],
};

it('serves while its processes run, whatever is wrong with its files', () => {
  expect(isServing(serving)).toBe(true);
});

it.each([
  [{ lives: false }, "The router's processes have ended"],
  [{ worker: 'has ended (code 1) and is started again' }, 'The worker does not run; it has ended (code 1)'],
  [{ worker: 'waits for its keys' }, 'The worker does not run; it waits for its keys'],
  [{ webhook: 'starts' }, 'The webhook server does not run; it starts'],
])('%j does not serve', (change, said) => {
  const state = { ...serving, ...change };
  expect(isServing(state)).toBe(false);
  expect(whyNotServing(state)).toEqual([expect.stringContaining(said)]);
});

it('a router without a state does not serve', () => {
  expect(whyNotServing(undefined)).toEqual([expect.stringContaining('has written no state')]);
});
