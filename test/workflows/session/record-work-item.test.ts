// Work items, and looks at sessions without one, in the state of a session.
import { describe, expect, it } from 'vitest';
import { recordCallsRequested } from '../../../workflows/session/calls.ts';
import { openSession, type SessionState } from '../../../workflows/session/state.ts';
import { recordWebhook } from '../../../workflows/session/turn.ts';
import {
  recordInspection,
  recordInspectionFailure,
  recordWorkClaimed,
  recordWorkEnded,
} from '../../../workflows/session/work-item.ts';
import { call, claimed, NOW, start, wake } from './session-states.ts';

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

describe('a look at the session', () => {
  const live = { ours: true, live: true, ended: null, orphanedCalls: [] };

  it('that a webhook has overtaken is repeated at once', () => {
    const state = openSession(start, NOW);
    recordInspection(state, live, NOW, 3_000);
    recordInspection(state, live, NOW + 100, 3_000, true);
    expect(state.inspectionDue?.at).toBe(NOW + 100);
  });

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

it('keeps no secret that was sealed for another work item', () => {
  const state = openSession(start, NOW);
  recordWorkClaimed(state, { workId: 'work_1', sealedSecret: 'work_2.sealed' }, NOW);
  expect(state.work).toMatchObject({ id: 'work_1', sealedSecret: null });
  recordWorkClaimed(state, { workId: 'work_3', sealedSecret: 'work_3.sealed' }, NOW);
  expect(state.work).toMatchObject({ id: 'work_3', sealedSecret: 'work_3.sealed' });
});
