import { expect, it } from 'vitest';
import { recordCallsClosed, recordCallsRequested, recordUnposted } from '../../../workflows/session/calls.ts';
import { recordEquipment, recordMemorySynced, recordMemoryUsed } from '../../../workflows/session/memory.ts';
import { type Busy, nextStep, paceOf, phaseOf } from '../../../workflows/session/next-step.ts';
import { recordSandboxFailure } from '../../../workflows/session/sandbox.ts';
import { openSession, type SessionState } from '../../../workflows/session/state.ts';
import { recordChange, recordUnattendedTurn, recordWebhook } from '../../../workflows/session/turn.ts';
import { recordQuiet } from '../../../workflows/session/watch-state.ts';
import { recordInspection, recordWorkClaimed } from '../../../workflows/session/work-item.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const GRACE = 30_000;
const RETENTION = 3_600_000;
const start = {
  sessionId: 'sesn_1',
  environmentId: 'env_1',
  settings: { graceMs: GRACE, retentionMs: RETENTION, searchAttributes: true },
};
const nothing: Busy = {
  look: false,
  check: false,
  claim: false,
  prepare: false,
  watch: false,
  sync: false,
  run: false,
  cancel: false,
  post: false,
};
const step = (state: SessionState, busy: Partial<Busy> = {}, now = NOW, renew = false) =>
  nextStep(state, { ...nothing, ...busy }, now, renew);
const call = (id: string, more = {}) => ({ id, name: 'bash', preview: 'echo', ...more });

const woken = () => {
  const state = openSession(start, NOW);
  recordWebhook(state, { eventId: 'whe_1', type: 'session.status_run_started' }, NOW);
  return state;
};
const working = () => {
  const state = openSession(start, NOW);
  recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null }, NOW);
  state.sandbox = { id: 'i1', ready: true, failure: null };
  return state;
};
const done = (state: SessionState) =>
  recordChange(state, { eventId: 'sevt_9', change: 'idle', reason: 'end_turn' }, NOW);

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

const waiting = () => {
  const state = working();
  recordCallsRequested(state, [call('a', { awaitingApproval: true })], NOW);
  recordChange(state, { eventId: 'e', change: 'waiting', reason: 'an approval' }, NOW);
  return state;
};

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

it('syncs memory before the first call of a turn, between calls when it is time, and at the end', () => {
  const state = working();
  state.work = null;
  recordEquipment(
    state,
    {
      stores: [{ storeId: 'memstore_1', mountPath: '/mnt/memory/a', readOnly: false }],
      problems: [],
    },
    NOW,
  );
  recordCallsRequested(state, [call('sevt_1')], NOW);
  // Without an item there is no token: calls run all the same.
  expect(step(state).do).toBe('run');
  recordWorkClaimed(state, { workId: 'work_2', sealedSecret: 'sealed' }, NOW);
  expect(step(state, { watch: true }).do).toBe('sync');
  expect(step(state, { watch: true, sync: true }).do).toBe('wait');
  recordMemorySynced(state, false, {}, NOW);
  expect(step(state, { watch: true }).do).toBe('run');
  recordMemoryUsed(state, NOW + 14_999);
  expect(step(state, { watch: true }, NOW + 14_999).do).toBe('run');
  recordMemoryUsed(state, NOW + 15_000);
  expect(step(state, { watch: true, run: true }, NOW + 15_000).do).not.toBe('sync');
  expect(step(state, { watch: true }, NOW + 15_000).do).toBe('sync');
  recordMemorySynced(state, false, {}, NOW + 15_000);
  state.calls = [];
  done(state);
  expect(step(state, { watch: true }, NOW + GRACE * 2).do).toBe('sync');
  recordMemorySynced(state, true, { problems: ['/mnt/memory/a: x is not saved'] }, NOW + GRACE * 2);
  expect(state.attention.memory?.what).toContain('x is not saved');
  expect(step(state, { watch: true }, NOW + GRACE * 2).do).toBe('rest');
  // A turn without a call changes nothing.
  recordChange(state, { eventId: 'sevt_10', change: 'running' }, NOW);
  expect(step(state, { watch: true }).do).toBe('sync');
  recordMemorySynced(state, false, {}, NOW);
  expect(state.attention).toEqual({});
  done(state);
  expect(state.memory?.due).toBe(null);
});

it('shows skills that are not installed until they are', () => {
  const state = working();
  recordEquipment(state, { stores: [], problems: ['skill x is not installed: gone'] }, NOW);
  expect(state).toMatchObject({
    skillProblems: ['skill x is not installed: gone'],
    attention: { skills: { what: 'skill x is not installed: gone', since: NOW } },
  });
  recordEquipment(state, undefined, NOW);
  expect(state.attention).toEqual({});
  expect(state).not.toHaveProperty('skillProblems');
  expect(state).not.toHaveProperty('memory');
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
