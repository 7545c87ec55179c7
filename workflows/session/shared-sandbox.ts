// The session's side of a shared sandbox: requested, waited for, entered, returned. The sandbox's own workflow
// (workflows/shared-sandbox/) creates, pauses and kills it.
import {
  ApplicationFailure,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { sandboxPreparation, shortCalls } from '../activity-policies.ts';
import { askAndWait } from '../ask-and-wait.ts';
import {
  sharedSandboxAssignedSignal,
  sharedSandboxLostSignal,
  sharedSandboxRefusedSignal,
  sharedSandboxReturnedSignal,
} from '../messages.ts';
import { recordEquipment } from './memory.ts';
import { recordSandboxLost, recordSandboxReady } from './sandbox.ts';
import type { SessionState, Share } from './state.ts';

/** Registers the answers of the sandbox's workflow. Call it before the first await. */
export function receiveShare(state: SessionState, notify: () => void): void {
  setHandler(sharedSandboxAssignedSignal, (message) => {
    // Otherwise it is no longer wanted, and has been returned already.
    if (state.share?.requested && typeof message?.sandboxId === 'string') {
      state.share.assigned = message.sandboxId;
      if (state.sandbox.id && state.sandbox.id !== message.sandboxId) recordSandboxLost(state);
    }
    notify();
  });
  setHandler(sharedSandboxRefusedSignal, (message) => {
    if (state.share?.requested) state.share.refused = String(message?.reason).slice(0, 1_000);
    notify();
  });
}

/** Whether its next sandbox is a shared one. A session keeps the kind that it began with: its files are there. */
export function shares({ share, sandbox, start }: SessionState): boolean {
  return share !== undefined || (start.settings.scope !== undefined && sandbox.id === null);
}

/** @param wanted whether the sandbox is still needed */
export async function enterShared(state: SessionState, wanted: () => boolean): Promise<void> {
  const { sessionId, environmentId, settings } = state.start;
  state.share ??= {
    scope: settings.scope ?? 'environment',
    workflowId: null,
    requested: false,
    assigned: null,
  };
  const { share } = state;
  try {
    const sandboxId = await acquire(state, share, wanted);
    if (!sandboxId) return;
    const { lastCall } = state.sandbox;
    const args = { sessionId, environmentId, sandboxId, ...(lastCall ? { lastCall } : {}) };
    const summary = `enter ${sandboxId}`;
    const entered = await sandboxPreparation.enterSharedSandbox.executeWithOptions({ summary }, [args]);
    if (entered.how === 'lost') return await reportLost(state, sandboxId);
    // It was replaced meanwhile; the session enters the new one next.
    if (share.assigned !== sandboxId) return;
    recordSandboxReady(state, entered);
    recordEquipment(state, entered.equipment, Date.now());
  } catch (error) {
    if (!isCancellation(error)) await returnShare(state);
    throw error;
  }
}

async function acquire(state: SessionState, share: Share, wanted: () => boolean): Promise<string | null> {
  const { sessionId, environmentId } = state.start;
  const args = { sessionId, environmentId, holder: workflowInfo().workflowId, scope: share.scope };
  const summary = `request the sandbox of the ${share.scope}`;
  delete share.refused;
  const ask = async () => {
    share.requested = true;
    const asked = await shortCalls.requestSharedSandbox.executeWithOptions({ summary }, [args]);
    share.workflowId = asked.workflowId;
  };
  const answered = () => share.assigned !== null || share.refused !== undefined;
  await askAndWait('wait for the shared sandbox', ask, answered, wanted);
  if (share.refused !== undefined && share.assigned === null)
    throw ApplicationFailure.nonRetryable(share.refused);
  return share.assigned;
}

/** The session is idle, or has ended; in that case the processes that it left running are ended too. */
export async function returnShare(state: SessionState, ended = false): Promise<void> {
  const { share } = state;
  if (!share) return;
  const { requested, workflowId } = share;
  state.sandbox.ready = false;
  share.requested = false;
  share.assigned = null;
  if (!workflowId || !(requested || ended)) return;
  const returned = { holder: workflowInfo().workflowId, sessionId: state.start.sessionId, ended };
  await getExternalWorkflowHandle(workflowId)
    .signal(sharedSandboxReturnedSignal, returned)
    .catch(() => undefined);
}

/** Reports the sandbox as lost, and expects another one. Other sessions may have reported it before. */
export async function reportLost(state: SessionState, sandboxId: string): Promise<void> {
  const { share } = state;
  if (state.sandbox.id === sandboxId) recordSandboxLost(state);
  if (!share?.workflowId) return;
  if (share.assigned === sandboxId) share.assigned = null;
  await getExternalWorkflowHandle(share.workflowId)
    .signal(sharedSandboxLostSignal, { sandboxId })
    .catch(() => undefined);
}
