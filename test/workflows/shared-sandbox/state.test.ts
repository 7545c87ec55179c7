// What the workflow of a shared sandbox does next, from its state alone.
import { expect, it } from 'vitest';
import {
  nextSharedStep,
  openShared,
  paceOf,
  recordLost,
  recordReady,
  recordReturned,
  recordWanted,
  type SharedSandboxState,
} from '../../../workflows/shared-sandbox/state.ts';

const settings = { retentionMs: 1_000 };
const open = () => openShared({ key: 'k', environmentId: 'env_1', settings }, 0);
const want = (state: SharedSandboxState, name: string, now = 0) =>
  recordWanted(state, { holder: `session-${name}`, sessionId: name, settings }, now);
const giveBack = (state: SharedSandboxState, name: string, ended = false, now = 0) =>
  recordReturned(state, { holder: `session-${name}`, sessionId: name, ended }, now);
const next = (state: SharedSandboxState, now = 0, renew = false) => nextSharedStep(state, now, renew);
/** Assigns the sandbox to all sessions that wait for it. @returns their ids */
function assignAll(state: SharedSandboxState): string[] {
  const assigned: string[] = [];
  for (let step = next(state); step.do === 'assign'; step = next(state)) {
    for (const holder of step.holders) holder.assigned = step.sandboxId;
    assigned.push(...step.holders.map(({ sessionId }) => sessionId));
  }
  return assigned;
}

it('is prepared for the first who asks, tells all, and is paused when the last one has returned it', () => {
  const state = open();
  want(state, 'a');
  expect(next(state).do).toBe('prepare');
  recordReady(state, 'sb1');
  want(state, 'b');
  expect(assignAll(state)).toEqual(['a', 'b']);
  giveBack(state, 'a');
  expect(next(state)).toEqual({ do: 'wait', until: null });
  giveBack(state, 'b');
  expect(next(state).do).toBe('pause');
});

it('tells a crowd at once, a hundred at a time', () => {
  const state = open();
  for (let count = 0; count < 250; count += 1) want(state, `s${count}`);
  recordReady(state, 'sb1');
  const step = next(state);
  expect(step).toMatchObject({ do: 'assign', sandboxId: 'sb1' });
  expect(step.do === 'assign' && step.holders.length).toBe(100);
  expect(assignAll(state)).toHaveLength(250);
});

it('knows a session by its workflow, however often it asks, and tells it again', () => {
  const state = open();
  recordReady(state, 'sb1');
  want(state, 'a');
  assignAll(state);
  want(state, 'a');
  expect(state.holders).toHaveLength(1);
  expect(assignAll(state)).toEqual(['a']);
  giveBack(state, 'a');
  expect(state.holders).toEqual([]);
});

it('replaces one that is gone once, and tells everybody, also who still reports the old one', () => {
  const state = open();
  want(state, 'a');
  want(state, 'b');
  recordReady(state, 'sb1');
  assignAll(state);
  recordLost(state, 'sb1');
  expect(next(state).do).toBe('prepare');
  recordReady(state, 'sb2');
  recordLost(state, 'sb1');
  expect(state.sandbox).toEqual({ id: 'sb2', ready: true });
  expect(assignAll(state)).toEqual(['a', 'b']);
});

it('is killed when it was unused past its retention, counted from the last use', () => {
  const state = open();
  want(state, 'a', 100);
  recordReady(state, 'sb1');
  giveBack(state, 'a', false, 500);
  state.sandbox.ready = false;
  expect(next(state, 1_499)).toEqual({ do: 'wait', until: 1_500 });
  expect(next(state, 1_500).do).toBe('kill');
  want(state, 'b', 1_500);
  expect(next(state, 1_500).do).toBe('prepare');
});

it('ends what sessions left running as soon as it runs, but not of one that has come back', () => {
  const state = open();
  recordReady(state, 'sb1');
  state.sandbox.ready = false;
  giveBack(state, 'a', true);
  giveBack(state, 'b', true);
  want(state, 'b');
  recordReady(state, 'sb1');
  expect(next(state).do).toBe('dismiss');
  expect(state.departed).toEqual(['a']);
  recordReady(state, 'sb2');
  expect(state.departed).toEqual([]);
});

it('goes on in a new run only where nothing is to be done', () => {
  const state = open();
  want(state, 'a');
  expect(next(state, 0, true).do).toBe('prepare');
  recordReady(state, 'sb1');
  expect(next(state, 0, true).do).toBe('assign');
  assignAll(state);
  expect(next(state, 0, true).do).toBe('renew');
});

it('pauses before it prepares again a sandbox that never comes to be, and takes up at once what is asked for anew', () => {
  const state = openShared({ key: 'env_1', environmentId: 'env_1', settings: { retentionMs: 1_000 } }, 0);
  const ask = () =>
    recordWanted(state, { holder: 'a', sessionId: 'sesn_1', settings: { retentionMs: 1_000 } }, 0);
  ask();
  for (let time = 0; time < 5; time += 1) paceOf(state).record('prepare', 0);
  expect(nextSharedStep(state, 0, false)).toEqual({ do: 'wait', until: 2_000 });
  expect(nextSharedStep(state, 2_000, false)).toEqual({ do: 'prepare' });
  ask();
  expect(nextSharedStep(state, 0, false)).toEqual({ do: 'prepare' });
});
