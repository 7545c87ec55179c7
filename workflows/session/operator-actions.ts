// What the loop does for people: posts an interrupt, replaces a sandbox.
import { isCancellation } from '@temporalio/workflow';
import { shortCalls, urgentCalls } from '../activity-policies.ts';
import { reasonOf } from '../failure-reason.ts';
import { errorResult, SANDBOX_REPLACED } from '../model-notices.ts';
import { returnSlot } from '../sandbox-slots/holder.ts';
import { copyOutputs } from './actions.ts';
import { recordUnposted } from './calls.ts';
import { hasOutputsToCopy } from './next-step.ts';
import { finishWish, keepsOf } from './operator.ts';
import { recordSandboxLost } from './sandbox.ts';
import { INSPECT_SOON_MS, type SessionState } from './state.ts';

/** The service says by its events what the interrupt has closed. */
export async function interrupt(state: SessionState): Promise<void> {
  const by = state.wishes?.interrupt?.by ?? '';
  const { sessionId, environmentId } = state.start;
  const finish = (outcome: 'done' | 'already' | 'failed', text: string) =>
    finishWish(state, 'interrupt', 'interrupt', outcome, text, keepsOf(state));
  try {
    const summary = `interrupt the turn, asked for by ${by}`;
    const args = { sessionId, environmentId, sealedSecret: state.work?.sealedSecret ?? null };
    const interrupted = await urgentCalls.interruptSession.executeWithOptions({ summary }, [args]);
    if (interrupted.outcome === 'posted') {
      finish('done', 'The interrupt is posted: the service ends the turn, and calls that run are cancelled.');
      seeWhatFollows(state, Date.now());
    } else if (interrupted.outcome === 'forbidden') finish('failed', interrupted.reason);
    else finish('already', 'No turn is under way.');
  } catch (error) {
    if (!isCancellation(error)) finish('failed', `The interrupt was not posted: ${reasonOf(error)}`);
    throw error;
  }
}

/** Where no watch follows the events, an inspection finds out what became of the turn. */
function seeWhatFollows(state: SessionState, now: number): void {
  if (state.unwatched) state.unwatched.checkAt = now;
  if (state.work) return;
  state.claimDue = true;
  state.inspectionDue = { at: now + INSPECT_SOON_MS, tries: 0 };
}

/** A sandbox whose outputs cannot be copied is kept: only `force` gives them up. */
export async function copyBeforeReplace(state: SessionState): Promise<void> {
  const { id, ready } = state.sandbox;
  await copyOutputs(state);
  const wish = state.wishes?.replace;
  if (!wish) return;
  const problem = state.attention.outputs?.what;
  if (!problem) {
    wish.copied = true;
    return;
  }
  const text = `Sandbox ${id} is kept. ${problem}. With force it is replaced all the same, and what is not copied is lost.`;
  finishWish(state, 'replace', 'replaceSandbox', 'failed', text, keepsOf(state));
  if (ready || !id) return;
  // Copying has resumed it.
  const { environmentId } = state.start;
  const args = { environmentId, sandboxId: id };
  await shortCalls.pauseSandbox.executeWithOptions({ summary: `pause ${id} again` }, [args]);
  await returnSlot(state);
}

/**
 * Kills the session's sandbox. The next call gets a new one, and the model is told with its result.
 * @param recallCall ends what goes on about a call whose sandbox is gone
 */
export async function replaceSandbox(state: SessionState, recallCall: () => Promise<void>): Promise<void> {
  const { sessionId, environmentId } = state.start;
  const wish = state.wishes?.replace;
  const by = wish?.by ?? '';
  const killed = state.sandbox.id;
  const wantedCopy = hasOutputsToCopy(state);
  try {
    const summary = `kill ${killed ?? 'the sandbox'}, to be replaced, asked for by ${by}`;
    await shortCalls.killSandboxes.executeWithOptions({ summary }, [{ sessionId, environmentId }]);
  } catch (error) {
    if (!isCancellation(error))
      finishWish(
        state,
        'replace',
        'replaceSandbox',
        'failed',
        `${killed} could not be killed: ${reasonOf(error)}`,
        keepsOf(state),
      );
    throw error;
  }
  recordSandboxLost(state, 'sandbox-replaced');
  await recallCall();
  // A call that was handed over may have had an effect, and is never run again.
  for (const call of state.calls.filter((one) => one.state === 'running'))
    recordUnposted(state, call.id, errorResult(SANDBOX_REPLACED), Date.now());
  await returnSlot(state);
  const outputs = wantedCopy
    ? wish?.copied
      ? ' Its outputs are copied.'
      : ' Outputs that were not copied before are lost.'
    : '';
  const text = `Sandbox ${killed ?? ''} is killed with its files and processes.${outputs} The next call gets a new one, and the model is told.`;
  const keeps = `${state.work ? `the lease on ${state.work.id}` : 'no lease (none was held)'}, ${state.calls.length} open calls`;
  finishWish(state, 'replace', 'replaceSandbox', 'done', text, keeps);
}
