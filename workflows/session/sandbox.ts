// The sandbox of a session as its workflow knows it, and what the model has to learn about it. Pure, like state.ts.
import type { ModelNotice } from '../contract.ts';
import { errorResult, sandboxUnavailable } from '../model-notices.ts';
import { recordUnposted } from './calls.ts';
import type { SessionState } from './state.ts';

/** A sandbox could not be started: every call that waits for it is answered with the reason. */
export function recordSandboxFailure(state: SessionState, reason: string, now: number): void {
  state.sandbox.failure = reason;
  for (const call of state.calls.filter((one) => one.state === 'open' && !one.awaitingApproval)) {
    recordUnposted(state, call.id, errorResult(sandboxUnavailable(reason)), now);
  }
}

/** The sandbox runs. If it is another one, or in an earlier state, the model has to know. */
export function recordSandboxReady(
  state: SessionState,
  ready: { sandboxId: string; how: string; older?: boolean; agentId?: string },
): void {
  const { id, modelNotice, lastCall } = state.sandbox;
  const same = ready.sandboxId === id;
  const notice =
    modelNotice === 'sandbox-replaced'
      ? modelNotice
      : ready.how === 'replaced' || modelNotice === 'files-lost'
        ? 'files-lost'
        : ready.older || (same && modelNotice)
          ? 'files-rolled-back'
          : undefined;
  state.hadSandbox = true;
  if (ready.agentId) state.agentId = ready.agentId;
  state.sandbox = {
    id: ready.sandboxId,
    ready: true,
    failure: null,
    ...(notice ? { modelNotice: notice } : {}),
    ...(same && lastCall && !ready.older ? { lastCall } : {}),
  };
}

/** A result with the notice was accepted. */
export function recordModelNotified(state: SessionState): void {
  delete state.sandbox.modelNotice;
}

/** The sandbox no longer exists, and its files with it. */
export function recordSandboxLost(state: SessionState, modelNotice: ModelNotice = 'files-lost'): void {
  delete state.outputs;
  state.sandbox = { id: null, ready: false, modelNotice, failure: null };
}
