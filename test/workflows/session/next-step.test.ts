// What a session does next: claim, look, prepare, watch, run, post, end.
import { expect, it } from 'vitest';
import { recordCallsClosed, recordCallsRequested, recordUnposted } from '../../../workflows/session/calls.ts';
import { paceOf, phaseOf } from '../../../workflows/session/next-step.ts';
import { recordSandboxFailure } from '../../../workflows/session/sandbox.ts';
import { openSession } from '../../../workflows/session/state.ts';
import { recordWebhook } from '../../../workflows/session/turn.ts';
import { recordInspection } from '../../../workflows/session/work-item.ts';
import { call, done, GRACE, NOW, nothing, RETENTION, start, step, woken, working } from './session-states.ts';

it('claims and looks side by side after a wake, and makes no sandbox for a stranger', () => {
  const state = woken();
  expect(step(state).do).toBe('claim');
  state.claimDue = false;
  expect(step(state, { claim: true }).do).toBe('look');
  expect(step(state, { claim: true, look: true }).do).toBe('wait');
  state.ours = false;
  expect(step(state)).toEqual({ do: 'end', reason: 'session of another environment' });
});

it('looks before it claims where a webhook did not name the environment', () => {
  const state = openSession({ ...start, environmentId: '' }, NOW);
  recordWebhook(state, { eventId: 'whe_1', type: 'session.status_run_started' }, NOW);
  expect(step(state).do).toBe('look');
  expect(step(state, { look: true }).do).toBe('wait');
  state.start.environmentId = 'env_1';
  state.ours = true;
  expect(step(state).do).toBe('claim');
});

it('makes the sandbox ready while the claim is still under way', () => {
  const state = woken();
  state.claimDue = false;
  state.ours = true;
  expect(step(state, { claim: true }).do).toBe('prepare');
});

it('watches and prepares side by side once a work item is here', () => {
  const state = working();
  state.sandbox.ready = false;
  expect(step(state).do).toBe('watch');
  expect(step(state, { watch: true }).do).toBe('prepare');
});

it('runs one call at a time, in order', () => {
  const state = working();
  recordCallsRequested(state, [call('a'), call('b')], NOW);
  expect(step(state, { watch: true })).toMatchObject({ do: 'run', call: { id: 'a' } });
  if (state.calls[0]) state.calls[0].state = 'running';
  expect(step(state, { watch: true, run: true }).do).toBe('wait');
});

it('never runs a held call', () => {
  const state = working();
  recordCallsRequested(state, [call('a', { awaitingApproval: true })], NOW);
  expect(step(state, { watch: true }).do).not.toBe('run');
});

it('cancels a running call that was interrupted, before anything else', () => {
  const state = working();
  recordCallsRequested(state, [call('a')], NOW);
  if (state.calls[0]) state.calls[0].state = 'running';
  recordCallsClosed(state, { eventId: 'e', callIds: ['a'], why: 'interrupted' });
  state.claimDue = true;
  expect(step(state, { watch: true, run: true })).toMatchObject({ do: 'cancel', call: { id: 'a' } });
});

it('posts a kept result, also while the next call runs', () => {
  const state = working();
  recordCallsRequested(state, [call('a'), call('b')], NOW);
  recordUnposted(state, 'a', { content: [], isError: false }, NOW);
  if (state.calls[1]) state.calls[1].state = 'running';
  expect(step(state, { watch: true, run: true })).toMatchObject({ do: 'post', call: { id: 'a' } });
});

it('tries no sandbox again that failed for good, until something new comes', () => {
  const state = working();
  state.sandbox.ready = false;
  recordSandboxFailure(state, 'no template', NOW);
  expect(step(state, { watch: true }).do).toBe('wait');
  recordCallsRequested(state, [call('a')], NOW);
  expect(step(state, { watch: true }).do).toBe('prepare');
});

it('ends a session that was not used for its retention', () => {
  const state = openSession(start, NOW);
  state.ours = true;
  state.sandbox.id = 'i1';
  expect(step(state)).toMatchObject({ do: 'wait', until: NOW + RETENTION });
  expect(step(state, {}, NOW + RETENTION)).toMatchObject({ do: 'end' });
});

it('looks again, when it is due, at a turn that has no work item', () => {
  const state = openSession(start, NOW);
  recordInspection(state, { ours: true, live: true, ended: null, orphanedCalls: [] }, NOW);
  expect(step(state)).toMatchObject({ do: 'wait', until: NOW + 30_000 });
  expect(step(state, {}, NOW + 30_000).do).toBe('look');
});

it('runs orphaned calls without a work item', () => {
  const state = openSession(start, NOW);
  recordInspection(state, { ours: true, live: true, ended: null, orphanedCalls: [call('a')] }, NOW);
  expect(step(state).do).toBe('prepare');
  state.sandbox = { id: 'i1', ready: true, failure: null };
  expect(step(state)).toMatchObject({ do: 'run', call: { id: 'a' } });
});

it('starts nothing new in a long history, and renews it once nothing but the watch is in flight', () => {
  const state = working();
  recordCallsRequested(state, [call('a'), call('b')], NOW);
  expect(step(state, { watch: true, run: true }, NOW, true).do).toBe('wait');
  expect(step(state, { watch: true }, NOW, true).do).toBe('renew');
});

it('names its phase', () => {
  expect(phaseOf(woken(), nothing)).toBe('waking');
  const state = working();
  expect(phaseOf(state, nothing)).toBe('working');
  done(state);
  expect(phaseOf(state, nothing)).toBe('idle');
  state.sandbox.ready = false;
  expect(phaseOf(state, nothing)).toBe('paused');
  state.end = 'terminated';
  expect(phaseOf(state, nothing)).toBe('ended');
});

it('never waits for a moment that is past', () => {
  const state = working();
  recordCallsRequested(state, [call('sevt_1')], NOW);
  recordUnposted(state, 'sevt_1', { content: [], isError: true }, NOW);
  state.work = null;
  state.inspectionDue = { at: NOW - 1, tries: 0 };
  expect(step(state, { look: true, post: true, watch: true }, NOW + GRACE - 1)).toMatchObject({
    do: 'wait',
    until: NOW + GRACE,
  });
});

it('puts off a step that comes to nothing, and takes the others meanwhile', () => {
  const state = woken();
  state.ours = true;
  for (let time = 0; time < 6; time += 1) paceOf(state).record('claim', NOW);
  expect(step(state).do).toBe('prepare');
  expect(step(state, { prepare: true })).toMatchObject({ do: 'wait', until: NOW + 4_000 });
  expect(step(state, {}, NOW + 4_000).do).toBe('claim');
});

it('ends no session again and again whose claim is put off', () => {
  const state = woken();
  state.ours = true;
  state.expecting = false;
  const later = NOW + RETENTION;
  for (let time = 0; time < 6; time += 1) {
    paceOf(state).record('claim', later);
    paceOf(state).record('end', later);
  }
  expect(step(state, {}, later)).toMatchObject({ do: 'wait', until: later + 4_000 });
});

it('watches again once there is room for calls that had none', () => {
  const state = working();
  const calls = Array.from({ length: 501 }, (_, n) => call(`sevt_${n}`));
  recordCallsRequested(state, calls, NOW);
  expect(step(state, { watch: true, run: true }).do).toBe('wait');
  for (const { id } of calls.slice(0, 250))
    recordCallsClosed(state, { eventId: 'e', callIds: [id], why: 'denied' });
  expect(step(state, { watch: true, run: true }).do).toBe('watch again');
  expect(step(state, { run: true }).do).toBe('watch');
});

it('watches again once a call was begun anew: the worker of the watch may have died with that of the call', () => {
  const state = working();
  state.watchAgain = true;
  expect(step(state, { watch: true }).do).toBe('watch again');
  expect(step(state).do).toBe('watch');
});

it('runs nothing more while the results of several calls cannot be posted', () => {
  const state = working();
  recordCallsRequested(
    state,
    Array.from({ length: 9 }, (_, n) => call(`sevt_${n}`)),
    NOW,
  );
  const unposted = (id: string) => recordUnposted(state, id, { content: [], isError: false }, NOW);
  for (let n = 0; n < 8; n += 1) {
    expect(step(state, { watch: true, post: true })).toMatchObject({ do: 'run', call: { id: `sevt_${n}` } });
    unposted(`sevt_${n}`);
  }
  expect(step(state, { watch: true, post: true }).do).toBe('wait');
});
