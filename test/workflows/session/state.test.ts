import { describe, expect, it } from 'vitest';
import { errorResult } from '../../../workflows/model-notices.ts';
import {
  recordCallDone,
  recordCallsClosed,
  recordCallsRequested,
  recordUnposted,
} from '../../../workflows/session/calls.ts';
import { recordSandboxFailure, recordSandboxLost } from '../../../workflows/session/sandbox.ts';
import { openSession, type SessionState } from '../../../workflows/session/state.ts';
import { recordChange, recordWebhook } from '../../../workflows/session/turn.ts';
import {
  recordInspection,
  recordInspectionFailure,
  recordWorkClaimed,
  recordWorkEnded,
} from '../../../workflows/session/work-item.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const start = {
  sessionId: 'sesn_1',
  environmentId: 'env_1',
  settings: { graceMs: 30_000, retentionMs: 3_600_000, searchAttributes: true },
};
const wake = (eventId: string, type = 'session.status_run_started') => ({ eventId, type });
const call = (id: string, more = {}) => ({ id, name: 'bash', preview: `echo ${id}`, ...more });
const claimed = (): SessionState => {
  const state = openSession(start, NOW);
  recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null }, NOW);
  return state;
};

describe('a call that waits for a person without a work item', () => {
  const lost = (): SessionState => {
    const state = claimed();
    recordCallsRequested(state, [call('a', { awaitingApproval: true })], NOW);
    recordWorkEnded(state, 'work_1', 'stopped', NOW);
    return state;
  };

  it('makes the session be looked at, soon and then seldom', () => {
    expect(lost().inspectionDue).toEqual({ at: NOW + 30_000, tries: 0 });
  });

  it('makes a wake look at once', () => {
    const state = lost();
    recordWebhook(state, wake('whe_1'), NOW + 5);
    expect(state.inspectionDue?.at).toBe(NOW + 5);
  });

  it('is let go when the look says that it was denied or answered', () => {
    const state = lost();
    const closed = [{ eventId: 'e', callIds: ['a'], why: 'denied' as const }];
    recordInspection(state, { ours: true, live: true, ended: null, orphanedCalls: [], closed }, NOW);
    expect(state.calls).toEqual([]);
    expect(state.lastCalls).toMatchObject([{ outcome: 'denied' }]);
  });

  it('is released when the look says that it was allowed', () => {
    const state = lost();
    recordInspection(state, { ours: true, live: true, ended: null, orphanedCalls: [call('a')] }, NOW);
    expect(state.calls).toMatchObject([{ id: 'a', state: 'open' }]);
    expect(state.calls[0]?.awaitingApproval).toBeUndefined();
  });
});

describe('an environment that nobody named', () => {
  const nameless = { ...start, environmentId: '' };
  const found = { environmentId: 'env_b', settings: { ...start.settings, graceMs: 7 } };

  it('is found by the first look, with its settings', () => {
    const state = openSession({ ...nameless }, NOW);
    recordInspection(state, { ours: true, live: true, ended: null, orphanedCalls: [], start: found }, NOW);
    expect(state.start).toEqual({ sessionId: 'sesn_1', ...found });
  });

  it('is told by a work item', () => {
    const state = openSession({ ...nameless }, NOW);
    recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null, start: found }, NOW);
    expect(state.start).toEqual({ sessionId: 'sesn_1', ...found });
  });
});

describe('webhookReceived', () => {
  it('asks for a look and expects a turn', () => {
    const state = openSession(start, NOW);
    recordWebhook(state, wake('whe_1'), NOW);
    expect(state).toMatchObject({ claimDue: true, expecting: true });
  });

  it('counts a repeated delivery once', () => {
    const state = openSession(start, NOW);
    recordWebhook(state, wake('whe_1'), NOW);
    state.claimDue = false;
    recordWebhook(state, wake('whe_1'), NOW);
    expect(state.claimDue).toBe(false);
  });

  it('remembers the last 256 deliveries, not more', () => {
    const state = openSession(start, NOW);
    for (let i = 0; i < 1000; i += 1) recordWebhook(state, wake(`whe_${i}`), NOW);
    expect(state.eventIds).toHaveLength(256);
    expect(state.eventIds.at(-1)).toBe('whe_999');
  });

  it('says nothing new while a work item is held', () => {
    const state = claimed();
    recordWebhook(state, wake('whe_1'), NOW);
    expect(state.claimDue).toBe(false);
  });

  it('is remembered while a work item is held: its watch may just be ending', () => {
    const state = claimed();
    recordWebhook(state, wake('whe_1', 'session.status_idled'), NOW);
    expect(state.woken).toBeUndefined();
    recordWebhook(state, wake('whe_2'), NOW);
    expect(state.woken).toBe(true);
  });

  it('brings the look at a turn without a work item forward', () => {
    const state = openSession(start, NOW);
    state.inspectionDue = { at: NOW + 300_000, tries: 4 };
    recordWebhook(state, wake('whe_1', 'session.status_idled'), NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 3_000, tries: 4 });
    recordWebhook(state, wake('whe_2'), NOW + 1_000);
    expect(state.inspectionDue).toEqual({ at: NOW + 3_000, tries: 4 });
  });

  it('makes no sandbox ready for an end event', () => {
    const state = openSession(start, NOW);
    recordWebhook(state, wake('whe_1', 'session.status_idled'), NOW);
    expect(state).toMatchObject({ claimDue: true, expecting: false });
  });
});

describe('work item', () => {
  it('is held once, however often it is handed over', () => {
    const state = claimed();
    state.work = { id: 'work_1', sealedSecret: null, lease: { lastHeartbeat: 'hb-1', ttlSeconds: 60 } };
    recordWorkClaimed(state, { workId: 'work_1', sealedSecret: 'other' }, NOW);
    expect(state.work.lease?.lastHeartbeat).toBe('hb-1');
    expect(state.turns).toBe(1);
  });

  it('does not come back once it was stopped', () => {
    const state = claimed();
    recordWorkEnded(state, 'work_1', 'stopped', NOW);
    recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null }, NOW);
    expect(state.work).toBeNull();
  });

  it('stays when an earlier one is let go', () => {
    const state = claimed();
    recordWorkClaimed(state, { workId: 'work_2', sealedSecret: null }, NOW);
    recordWorkEnded(state, 'work_1', 'stopped', NOW);
    expect(state.work?.id).toBe('work_2');
    expect(state.turn.state).toBe('running');
    expect(state.stoppedWork).toEqual(['work_1']);
  });

  it('may come back under its id after its lease was lost', () => {
    const state = claimed();
    recordWorkEnded(state, 'work_1', 'lost', NOW);
    recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null }, NOW);
    expect(state.work?.id).toBe('work_1');
  });
});

describe('tool calls', () => {
  it('are recorded once, and never again after they were answered', () => {
    const state = claimed();
    recordCallsRequested(state, [call('a'), call('b')], NOW);
    recordCallsRequested(state, [call('a')], NOW);
    expect(state.calls.map(({ id }) => id)).toEqual(['a', 'b']);
    recordCallDone(state, 'a', 'done');
    recordCallsRequested(state, [call('a')], NOW);
    expect(state.calls.map(({ id }) => id)).toEqual(['b']);
    expect(state.callsDone).toBe(1);
  });

  it('are released from hold by a later report', () => {
    const state = claimed();
    recordCallsRequested(state, [call('a', { awaitingApproval: true })], NOW);
    recordCallsRequested(state, [call('a')], NOW);
    expect(state.calls[0]?.awaitingApproval).toBeUndefined();
  });

  it('are dropped by an interrupt, but a running one is kept until it is cancelled', () => {
    const state = claimed();
    recordCallsRequested(state, [call('a'), call('b')], NOW);
    if (state.calls[0]) state.calls[0].state = 'running';
    recordCallsClosed(state, { eventId: 'e', callIds: ['a', 'b'], why: 'interrupted' });
    expect(state.calls).toMatchObject([{ id: 'a', closed: 'interrupted' }]);
    recordUnposted(state, 'a', errorResult('late'), NOW);
    expect(state.calls).toEqual([]);
    expect(state.lastCalls.at(-1)?.outcome).toBe('interrupted');
  });

  it('keep their result while it cannot be posted', () => {
    const state = claimed();
    recordCallsRequested(state, [call('a')], NOW);
    recordUnposted(state, 'a', errorResult('x'), NOW);
    expect(state.calls[0]).toMatchObject({ state: 'unposted', result: { isError: true } });
  });

  it('leave a state of bounded size: 2,000 calls stay under 64 KiB', () => {
    const state = claimed();
    for (let i = 0; i < 2000; i += 1) {
      const id = `sevt_${String(i).padStart(26, '0')}`;
      recordCallsRequested(state, [{ id, name: 'bash', preview: 'x'.repeat(160) }], NOW);
      recordCallDone(state, id, 'done');
      recordWebhook(state, wake(`whe_${String(i).padStart(26, '0')}`), NOW);
    }
    expect(JSON.stringify(state).length).toBeLessThan(64 * 1024);
  });
});

describe('sandbox', () => {
  it('that cannot be had answers the calls that wait for it, not those that wait for approval', () => {
    const state = claimed();
    recordCallsRequested(state, [call('a'), call('b', { awaitingApproval: true })], NOW);
    recordSandboxFailure(state, 'no such template', NOW);
    expect(state.calls).toMatchObject([
      { id: 'a', state: 'unposted' },
      { id: 'b', state: 'open' },
    ]);
    expect(state.calls[0]?.result?.content[0]?.text).toContain('no such template');
  });

  it('that is lost is forgotten, and the model is to be told', () => {
    const state = claimed();
    state.sandbox = { id: 'i1', ready: true, failure: null };
    recordSandboxLost(state);
    expect(state.sandbox).toEqual({ id: null, ready: false, modelNotice: 'files-lost', failure: null });
  });
});

describe('a look at the session', () => {
  const live = { ours: true, live: true, ended: null, orphanedCalls: [] };

  it('that finds a turn without a work item is repeated, at growing intervals', () => {
    const state = openSession(start, NOW);
    recordInspection(state, live, NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 30_000, tries: 0 });
    recordInspection(state, live, NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 60_000, tries: 1 });
    for (let i = 0; i < 20; i += 1) recordInspection(state, live, NOW);
    expect(state.inspectionDue?.at).toBe(NOW + 300_000);
    const soon = openSession(start, NOW);
    recordInspection(soon, live, NOW, 3_000);
    expect(soon.inspectionDue).toEqual({ at: NOW + 3_000, tries: 0 });
  });

  it('hands orphaned calls over', () => {
    const state = openSession(start, NOW);
    recordInspection(state, { ...live, orphanedCalls: [call('a')] }, NOW);
    expect(state.calls).toHaveLength(1);
  });

  it('is repeated soon after one that found new calls, later where they are known', () => {
    const state = openSession(start, NOW);
    state.inspectionDue = { at: NOW, tries: 3 };
    recordInspection(state, { ...live, orphanedCalls: [call('a')] }, NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 3_000, tries: -1 });
    recordInspection(state, { ...live, orphanedCalls: [call('a')] }, NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 30_000, tries: 0 });
  });

  it('is outdone by a work item that came meanwhile', () => {
    const state = claimed();
    recordInspection(state, { ours: false, live: false, ended: null, orphanedCalls: [] }, NOW);
    expect(state).toMatchObject({ ours: true, inspectionDue: null, turn: { state: 'running' } });
  });

  it('that finds the turn over ends the expectation', () => {
    const state = openSession(start, NOW);
    recordWebhook(state, wake('whe_1'), NOW);
    recordInspection(state, live, NOW);
    recordInspection(state, { ...live, live: false }, NOW);
    expect(state).toMatchObject({ expecting: false, inspectionDue: null, turn: { state: 'idle' } });
  });

  it('that fails for good ends a session that nobody knows, and delays a known one', () => {
    const unknown = openSession(start, NOW);
    recordInspectionFailure(unknown, 'key revoked', NOW);
    expect(unknown.end).toContain('key revoked');
    const known = openSession(start, NOW);
    recordInspection(known, live, NOW);
    recordInspectionFailure(known, 'key revoked', NOW);
    expect(known).toMatchObject({ end: null, inspectionDue: { at: NOW + 300_000 } });
  });
});

describe('changes of the session', () => {
  it('count a turn when it begins, however often it is said', () => {
    const state = claimed();
    recordChange(state, { eventId: '1', change: 'idle', reason: 'end_turn' }, NOW);
    recordChange(state, { eventId: '2', change: 'running' }, NOW);
    recordChange(state, { eventId: '3', change: 'running' }, NOW);
    expect(state.turns).toBe(2);
  });

  it.each(['terminated', 'archived', 'deleted'] as const)('end with %s', (change) => {
    const state = claimed();
    recordChange(state, { eventId: '1', change }, NOW);
    expect(state.end).toBe(change);
  });
});

it('survives continue-as-new: the state is plain JSON', () => {
  const state = claimed();
  recordCallsRequested(state, [call('a')], NOW);
  recordUnposted(state, 'a', errorResult('x'), NOW);
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
});

it('takes no more calls than there is room for, and none out of its order', () => {
  const state = openSession(start, NOW);
  const calls = Array.from({ length: 502 }, (_, n) => ({ id: `sevt_${n}`, name: 'bash', preview: '' }));
  recordCallsRequested(state, calls.slice(0, 501), NOW);
  expect(state).toMatchObject({ calls: { length: 500 }, moreCalls: true });
  recordCallDone(state, 'sevt_0', 'done');
  recordCallsRequested(state, calls.slice(501), NOW);
  expect(state.calls.at(-1)?.id).toBe('sevt_499');
  delete state.moreCalls;
  recordCallsRequested(state, calls.slice(500), NOW);
  expect(state.calls.at(-1)?.id).toBe('sevt_500');
});

it('keeps no secret that was sealed for another work item', () => {
  const state = openSession(start, NOW);
  recordWorkClaimed(state, { workId: 'work_1', sealedSecret: 'work_2.sealed' }, NOW);
  expect(state.work).toMatchObject({ id: 'work_1', sealedSecret: null });
  recordWorkClaimed(state, { workId: 'work_3', sealedSecret: 'work_3.sealed' }, NOW);
  expect(state.work).toMatchObject({ id: 'work_3', sealedSecret: 'work_3.sealed' });
});
