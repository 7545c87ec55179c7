// The sandbox of a session as its workflow knows it, and what the model has to be told of it. Pure, as session-state.ts.

import { errorResult, sandboxUnavailable } from '../model-notices.ts';
import { recordUnposted } from './calls.ts';
import type { SessionState } from './state.ts';

/** No sandbox can be had: every call that waits for one gets an answer that says why. */
export function recordSandboxFailure(state: SessionState, reason: string, now: number): void {
  state.sandbox.failure = reason;
  for (const call of state.calls.filter((one) => one.state === 'open' && !one.awaitingApproval)) {
    recordUnposted(state, call.id, errorResult(sandboxUnavailable(reason)), now);
  }
}

/** The sandbox runs. That it is not the one it was, or as it was, is news for the model. */
export function recordSandboxReady(
  state: SessionState,
  ready: { sandboxId: string; how: string; older?: boolean },
): void {
  const { id, modelNotice, lastCall } = state.sandbox;
  const same = ready.sandboxId === id;
  const notice =
    ready.how === 'replaced' || modelNotice === 'files-lost'
      ? 'files-lost'
      : ready.older || (same && modelNotice)
        ? 'files-rolled-back'
        : undefined;
  state.hadSandbox = true;
  state.sandbox = {
    id: ready.sandboxId,
    ready: true,
    failure: null,
    ...(notice ? { modelNotice: notice } : {}),
    ...(same && lastCall && !ready.older ? { lastCall } : {}),
  };
}

/** The model knows what became of the files: a result that says so was accepted. */
export function recordModelNotified(state: SessionState): void {
  delete state.sandbox.modelNotice;
}

/** The sandbox no longer exists, and its files with it. */
export function recordSandboxLost(state: SessionState): void {
  delete state.outputs;
  state.sandbox = { id: null, ready: false, modelNotice: 'files-lost', failure: null };
}
