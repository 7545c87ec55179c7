// When a session counts as stuck: it should make progress and has made none, and waits for no person.
import { expect, it } from 'vitest';
import { recordCallDone, recordCallsRequested } from '../../../workflows/session/calls.ts';
import { recordProgress, recordStuck, stuckAt } from '../../../workflows/session/progress.ts';
import type { SessionState } from '../../../workflows/session/state.ts';
import { recordChange } from '../../../workflows/session/turn.ts';
import {
  recordInspection,
  recordWorkClaimed,
  recordWorkEnded,
} from '../../../workflows/session/work-item.ts';
import { call, claimed, done, NOW, waiting, woken, working } from './session-states.ts';

const STUCK = 1_200_000;
const CALL = call('a');

/** The state after the workflow's loop has seen it, with the setting on. */
const seen = (state: SessionState, now = NOW): SessionState => {
  state.start = { ...state.start, settings: { ...state.start.settings, stuckMs: STUCK } };
  recordProgress(state, now);
  return state;
};
const withCall = () => {
  const state = working();
  recordCallsRequested(state, [CALL], NOW);
  return state;
};
const live = { ours: true, live: true, ended: null, orphanedCalls: [] };

it.each([
  ['a webhook came', woken],
  ['the model is at work', working],
  ['a call is open', withCall],
  [
    'a call runs beside one that waits for approval',
    () => {
      const state = waiting();
      recordCallsRequested(state, [CALL], NOW);
      return state;
    },
  ],
  [
    'a turn goes on without a work item',
    () => {
      const state = working();
      recordWorkEnded(state, 'work_1', 'lost', NOW);
      recordInspection(state, live, NOW);
      return state;
    },
  ],
])('is stuck after the set time while %s', (_what, open) => {
  const state = seen(open());
  expect(stuckAt(state)).toBe(NOW + STUCK);
  expect(recordStuck(state, NOW + STUCK - 1)).toBe(false);
  expect(recordStuck(state, NOW + STUCK)).toBe(true);
  expect(state.attention.stuck).toEqual({
    since: NOW,
    what: expect.stringContaining('for 20 min, although the session waits for no person'),
  });
  // Known to be stuck: there is no further deadline.
  expect(stuckAt(state)).toBeNull();
});

it.each([
  ['waits for an approval', waiting],
  [
    'waits for another client',
    () => {
      const state = working();
      recordChange(state, { eventId: 'e', change: 'waiting', reason: 'another client' }, NOW);
      return state;
    },
  ],
  [
    'was seen to wait for people while it has no work item',
    () => {
      const state = working();
      recordWorkEnded(state, 'work_1', 'lost', NOW);
      recordInspection(state, { ...live, waiting: true }, NOW);
      return state;
    },
  ],
  [
    'is idle after its turn',
    () => {
      const state = working();
      done(state);
      return state;
    },
  ],
  ['is over', () => ({ ...working(), end: 'terminated' })],
])('is never stuck while it %s', (_what, open) => {
  expect(stuckAt(seen(open()))).toBeNull();
});

it('is never stuck where the setting is off', () => {
  const state = working();
  recordProgress(state, NOW);
  expect(stuckAt(state)).toBeNull();
});

it('counts anew from the last progress', () => {
  const state = seen(withCall());
  recordCallsRequested(state, [call('b')], NOW + 5_000);
  seen(state, NOW + 5_000);
  expect(stuckAt(state)).toBe(NOW + 5_000 + STUCK);
});

it.each<[string, (state: SessionState) => void]>([
  ['a call is answered', (state) => recordCallDone(state, 'a', 'done')],
  ['a call is asked for', (state) => recordCallsRequested(state, [call('b')], NOW)],
  ['an approval is given', (state) => recordCallsRequested(state, [call('ask')], NOW)],
  ['the turn ends', done],
])('is no longer stuck once %s', (_what, progress) => {
  const state = waiting();
  state.calls[0] = { ...call('ask'), awaitingApproval: true, state: 'open', since: NOW };
  recordCallsRequested(state, [CALL], NOW);
  seen(state);
  recordStuck(state, NOW + STUCK);
  expect(state.attention.stuck).toBeDefined();
  progress(state);
  seen(state, NOW + STUCK + 1);
  expect(state.attention.stuck).toBeUndefined();
});

it('makes no progress by a work item that is lost and offered again, nor by a repeated message', () => {
  const state = seen(claimed());
  recordChange(state, { eventId: 'e', change: 'running' }, NOW + 1);
  seen(state, NOW + 1);
  recordWorkEnded(state, 'work_1', 'lost', NOW + 2);
  state.claimDue = true;
  seen(state, NOW + 2);
  recordWorkClaimed(state, { workId: 'work_2', sealedSecret: null }, NOW + 3);
  seen(state, NOW + 3);
  expect(stuckAt(state)).toBe(NOW + STUCK);
});
