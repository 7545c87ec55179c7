// What a session does with its sandbox: one activity with its summary, and its outcome recorded in the state.
import { isCancellation, uuid4 } from '@temporalio/workflow';
import { sandboxPreparation, shortCalls } from '../activity-policies.ts';
import { reasonOf } from '../failure-reason.ts';
import { returnSlot, takeSlot } from '../sandbox-slots/holder.ts';
import { recordEquipment } from './memory.ts';
import { needsSandbox } from './next-step.ts';
import { recordSandboxFailure, recordSandboxLost, recordSandboxReady } from './sandbox.ts';
import { enterShared, reportLost, returnShare, shares } from './shared-sandbox.ts';
import type { SessionState } from './state.ts';

export async function prepare(state: SessionState): Promise<void> {
  if (shares(state)) return prepareShared(state);
  const { sessionId, environmentId, settings } = state.start;
  try {
    if (settings.limited && !(await takeSlot(state, environmentId, () => needsSandbox(state)))) return;
    const known = state.sandbox.id;
    const summary = known ? `resume ${known}` : 'find or create a sandbox';
    const { lastCall } = state.sandbox;
    state.sandbox.nonce ??= uuid4();
    const args = {
      sessionId,
      environmentId,
      sandboxId: known,
      nonce: state.sandbox.nonce,
      ...(state.hadSandbox ? { hadSandbox: true } : {}),
      ...(lastCall ? { lastCall } : {}),
    };
    const ready = await sandboxPreparation.prepareSandbox.executeWithOptions({ summary }, [args]);
    recordSandboxReady(state, ready);
    recordEquipment(state, ready.equipment, Date.now());
  } catch (error) {
    await returnSlot(state);
    if (!isCancellation(error)) recordSandboxFailure(state, reasonOf(error), Date.now());
    throw error;
  }
}

async function prepareShared(state: SessionState): Promise<void> {
  try {
    await enterShared(state, () => needsSandbox(state));
  } catch (error) {
    if (!isCancellation(error)) recordSandboxFailure(state, reasonOf(error), Date.now());
    throw error;
  }
}

/** The sandbox no longer exists; a shared one may have been replaced already. */
export async function loseSandbox(state: SessionState, sandboxId: string): Promise<void> {
  if (state.share) await reportLost(state, sandboxId);
  // It may have been replaced while the call ran.
  else if (state.sandbox.id === sandboxId) recordSandboxLost(state);
}

/** A shared sandbox is only returned; its own workflow pauses it when no session needs it. */
export async function pauseSandbox(state: SessionState): Promise<void> {
  if (state.share) return returnShare(state);
  const { id, ready } = state.sandbox;
  if (!id || !ready) return returnSlot(state);
  try {
    const paused = await shortCalls.pauseSandbox.executeWithOptions({ summary: `pause ${id}` }, [
      { environmentId: state.start.environmentId, sandboxId: id },
    ]);
    if (paused === 'lost') recordSandboxLost(state);
  } catch (error) {
    // Of a workflow that a person cancels: the sandbox may still run, and is paused as the workflow closes.
    if (!isCancellation(error)) await leave(state);
    throw error;
  }
  await leave(state);
}

/** Its sandbox does not run any more. */
export async function leave(state: SessionState): Promise<void> {
  state.sandbox.ready = false;
  await returnSlot(state);
}

/** A shared sandbox is only returned; other sessions still use it. */
export async function killSandboxes(state: SessionState): Promise<void> {
  if (state.share) return returnShare(state, true);
  const { sessionId, environmentId } = state.start;
  const args = { sessionId, environmentId };
  await shortCalls.killSandboxes.executeWithOptions({ summary: 'kill the sandbox of this session' }, [args]);
  state.sandbox = { id: null, ready: false, failure: null };
  await returnSlot(state);
}
