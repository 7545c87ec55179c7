// Tool calls in the state of a session: requested, closed, done, kept.
import { describe, expect, it } from 'vitest';
import { errorResult } from '../../../workflows/model-notices.ts';
import {
  recordCallDone,
  recordCallsClosed,
  recordCallsRequested,
  recordUnposted,
} from '../../../workflows/session/calls.ts';
import { openSession } from '../../../workflows/session/state.ts';
import { recordWebhook } from '../../../workflows/session/turn.ts';
import { call, claimed, NOW, start, wake } from './session-states.ts';

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
