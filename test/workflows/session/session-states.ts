// Sessions as the pure functions of a session's state see them: just opened, woken, with a work item, at work, waiting.
import { recordCallsRequested } from '../../../workflows/session/calls.ts';
import { type Busy, nextStep } from '../../../workflows/session/next-step.ts';
import { openSession, type SessionState } from '../../../workflows/session/state.ts';
import { recordChange, recordWebhook } from '../../../workflows/session/turn.ts';
import { recordWorkClaimed } from '../../../workflows/session/work-item.ts';

export const NOW = Date.parse('2026-01-01T00:00:00Z');
export const GRACE = 30_000;
export const RETENTION = 3_600_000;
export const start = {
  sessionId: 'sesn_1',
  environmentId: 'env_1',
  settings: { graceMs: GRACE, retentionMs: RETENTION, searchAttributes: true },
};

export const wake = (eventId: string, type = 'session.status_run_started') => ({ eventId, type });
export const call = (id: string, more = {}) => ({ id, name: 'bash', preview: `echo ${id}`, ...more });
export const claimed = (): SessionState => {
  const state = openSession(start, NOW);
  recordWorkClaimed(state, { workId: 'work_1', sealedSecret: null }, NOW);
  return state;
};

export const nothing: Busy = {
  look: false,
  check: false,
  claim: false,
  prepare: false,
  watch: false,
  sync: false,
  run: false,
  cancel: false,
  post: false,
  interrupt: false,
  copy: false,
};
export const step = (state: SessionState, busy: Partial<Busy> = {}, now = NOW, renew = false) =>
  nextStep(state, { ...nothing, ...busy }, now, renew);

export const woken = () => {
  const state = openSession(start, NOW);
  recordWebhook(state, wake('whe_1'), NOW);
  return state;
};
export const working = () => {
  const state = claimed();
  state.sandbox = { id: 'i1', ready: true, failure: null };
  return state;
};
export const done = (state: SessionState) =>
  recordChange(state, { eventId: 'sevt_9', change: 'idle', reason: 'end_turn' }, NOW);

export const waiting = () => {
  const state = working();
  recordCallsRequested(state, [call('a', { awaitingApproval: true })], NOW);
  recordChange(state, { eventId: 'e', change: 'waiting', reason: 'an approval' }, NOW);
  return state;
};
