// Webhooks and changes of the session, in its state.
import { describe, expect, it } from 'vitest';
import { openSession } from '../../../workflows/session/state.ts';
import { recordChange, recordWebhook } from '../../../workflows/session/turn.ts';
import { claimed, NOW, start, wake } from './session-states.ts';

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

  it.each(['session.status_run_started', 'session.status_idled'])(
    'asks for work while the work item is being stopped: %s',
    (type) => {
      const state = claimed();
      if (state.work) state.work.ending = true;
      recordWebhook(state, wake('whe_1', type), NOW);
      expect(state.claimDue).toBe(true);
      expect(state.woken).toBeUndefined();
    },
  );

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
    recordWebhook(state, wake('whe_1'), NOW);
    expect(state.inspectionDue).toEqual({ at: NOW + 3_000, tries: 4 });
    recordWebhook(state, wake('whe_2'), NOW + 1_000);
    expect(state.inspectionDue).toEqual({ at: NOW + 3_000, tries: 4 });
    // It waits for results now, or its turn is over.
    recordWebhook(state, wake('whe_3', 'session.status_idled'), NOW + 2_000);
    expect(state.inspectionDue).toEqual({ at: NOW + 2_000, tries: 4 });
  });

  it('makes no sandbox ready for an end event', () => {
    const state = openSession(start, NOW);
    recordWebhook(state, wake('whe_1', 'session.status_idled'), NOW);
    expect(state).toMatchObject({ claimDue: true, expecting: false });
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
