// What a session does next once its turn is over, or while it waits for people.
import { expect, it } from 'vitest';
import { recordCallsRequested, recordUnposted } from '../../../workflows/session/calls.ts';
import { recordChange, recordUnattendedTurn, recordWebhook } from '../../../workflows/session/turn.ts';
import { recordQuiet } from '../../../workflows/session/watch-state.ts';
import { call, done, GRACE, NOW, step, waiting, working } from './session-states.ts';

it('rests after the grace, not before', () => {
  const state = working();
  done(state);
  expect(step(state, { watch: true })).toMatchObject({ do: 'wait', until: NOW + GRACE });
  expect(step(state, { watch: true }, NOW + GRACE).do).toBe('rest');
});

it('stays hot when a turn begins within the grace', () => {
  const state = working();
  done(state);
  recordChange(state, { eventId: 'sevt_10', change: 'running' }, NOW + 10);
  expect(step(state, { watch: true }, NOW + GRACE).do).toBe('wait');
});

it('pauses the sandbox while a person decides, and checks now and then without a watch', () => {
  const state = waiting();
  recordQuiet(state, 'e', NOW);
  expect(step(state)).toMatchObject({ do: 'wait', until: NOW + 5_000 });
  expect(step(state, {}, NOW + 5_000).do).toBe('check');
  expect(step(state, { check: true }, NOW + GRACE).do).toBe('pause');
  state.sandbox.ready = false;
  expect(step(state, { check: true }, NOW + GRACE)).toMatchObject({ do: 'wait', until: null });
});

it('watches again when something comes of it, or a webhook tells of a turn', () => {
  const state = waiting();
  state.unwatched = { checkAt: NOW + 100 };
  recordUnattendedTurn(state, { eventId: 'reconcile-1' }, NOW + 50);
  expect(step(state, {}, NOW + 50).do).toBe('check');
  recordWebhook(state, { eventId: 'whe_3', type: 'session.status_run_started' }, NOW + 60);
  expect(step(state, {}, NOW + 60).do).toBe('watch');
});

it('watches on while a result is still to be posted, or the model is at work', () => {
  const state = waiting();
  recordChange(state, { eventId: 'f', change: 'running' }, NOW);
  recordQuiet(state, 'f', NOW);
  expect(step(state).do).toBe('watch');
  recordCallsRequested(state, [call('b')], NOW);
  recordUnposted(state, 'b', { content: [], isError: true }, NOW);
  recordChange(state, { eventId: 'h', change: 'waiting', reason: 'an approval' }, NOW);
  recordQuiet(state, 'h', NOW);
  expect(step(state).do).toBe('watch');
});
