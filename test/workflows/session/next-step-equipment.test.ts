// When a session syncs its memory stores, and what it shows of its skills.
import { expect, it } from 'vitest';
import { recordCallsRequested } from '../../../workflows/session/calls.ts';
import { recordEquipment, recordMemorySynced, recordMemoryUsed } from '../../../workflows/session/memory.ts';
import { recordChange } from '../../../workflows/session/turn.ts';
import { recordWorkClaimed } from '../../../workflows/session/work-item.ts';
import { call, done, GRACE, NOW, step, working } from './session-states.ts';

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
