// What a session remembers of its sandbox, and that all of its state is plain JSON.
import { describe, expect, it } from 'vitest';
import { errorResult } from '../../../workflows/model-notices.ts';
import { recordCallsRequested, recordUnposted } from '../../../workflows/session/calls.ts';
import { recordSandboxFailure, recordSandboxLost } from '../../../workflows/session/sandbox.ts';
import { call, claimed, NOW } from './session-states.ts';

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

it('survives continue-as-new: the state is plain JSON', () => {
  const state = claimed();
  recordCallsRequested(state, [call('a')], NOW);
  recordUnposted(state, 'a', errorResult('x'), NOW);
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
});
