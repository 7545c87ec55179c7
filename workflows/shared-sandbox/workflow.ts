// A sandbox that all sessions of an agent, or of an environment, share. Sessions ask for it and return it; it is made
// or resumed for the first of them, paused when the last one is idle, and killed when it was unused past its retention.
import {
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import {
  findEndedWorkflows,
  outputCopies,
  sandboxPreparation,
  shortCalls,
  urgentCalls,
} from '../activity-policies.ts';
import { attentionLines, raiseFailure, recordCopied, settle } from '../attention.ts';
import { reasonOf } from '../failure-reason.ts';
import {
  type SharedSandboxStart,
  sharedSandboxAssignedSignal,
  sharedSandboxLostSignal,
  sharedSandboxRefusedSignal,
  sharedSandboxRequestedSignal,
  sharedSandboxReturnedSignal,
  sharedStatusQuery,
} from '../messages.ts';
import { historyIsLong, renew, watchBuild } from '../renewal.ts';
import { receiveSlot, returnSlot, takeSlot } from '../sandbox-slots/holder.ts';
import {
  nextSharedStep,
  openShared,
  paceOf,
  recordLost,
  recordReady,
  recordReturned,
  recordWanted,
  type SharedSandboxState,
} from './state.ts';

/** Terminated workflows cannot return the sandbox, so poll for them. */
const CHECK_EVERY_MS = 300_000;
const SHOWN = 30;
const ID_CHARS = 500;

export async function sandboxWorkflow(input: SharedSandboxStart | SharedSandboxState): Promise<void> {
  const state = 'version' in input ? input : openShared(input, Date.now());
  let news = false;
  const notify = () => {
    news = true;
    // The details change while the loop waits for a slot.
    setCurrentDetails(story(state));
  };
  // Any program with access to the namespace may signal: a malformed message must not fail the workflow task.
  setHandler(sharedSandboxRequestedSignal, (wanted) => {
    if (areIds(wanted?.holder, wanted?.sessionId) && Number.isFinite(wanted.settings?.retentionMs))
      recordWanted(state, wanted, Date.now());
    notify();
  });
  setHandler(sharedSandboxReturnedSignal, (returned) => {
    if (areIds(returned?.holder, returned?.sessionId)) recordReturned(state, returned, Date.now());
    notify();
  });
  setHandler(sharedSandboxLostSignal, (lost) => {
    if (areIds(lost?.sandboxId)) recordLost(state, lost.sandboxId);
    notify();
  });
  setHandler(sharedStatusQuery, () => ({
    phase: phaseOf(state),
    sandboxId: state.sandbox.id,
    ...(state.slot?.position ? { waitingAt: state.slot.position } : {}),
  }));
  receiveSlot(state, notify);
  const newerBuildIsCurrent = watchBuild(notify);

  let checkAt = Date.now() + CHECK_EVERY_MS;
  for (;;) {
    news = false;
    setCurrentDetails(story(state));
    const due = newerBuildIsCurrent() || historyIsLong(state.holders.length > 0);
    const step = nextSharedStep(state, Date.now(), due);
    if (step.do === 'prepare' || step.do === 'kill') paceOf(state).record(step.do, Date.now());
    switch (step.do) {
      case 'prepare':
        await prepare(state);
        break;
      case 'dismiss':
        await dismiss(state);
        break;
      case 'assign':
        for (const holder of step.holders) holder.assigned = step.sandboxId;
        await Promise.all(
          step.holders.map(({ id, sessionId }) => assign(state, id, sessionId, step.sandboxId)),
        );
        break;
      case 'pause':
        await pause(state);
        break;
      case 'renew':
        await renew<typeof sandboxWorkflow>(state);
        break;
      case 'kill':
        await kill(state);
        if (state.holders.length === 0) return;
        break;
      case 'wait': {
        if (state.holders.length > 0 && Date.now() >= checkAt) {
          await check(state);
          checkAt = Date.now() + CHECK_EVERY_MS;
          break;
        }
        const inUse = state.holders.length > 0;
        const until = inUse ? Math.min(step.until ?? checkAt, checkAt) : (step.until ?? checkAt);
        const summary = inUse ? 'until it is returned, or the next check' : 'keeping its files';
        await condition(() => news, Math.max(1, until - Date.now()), { summary });
      }
    }
  }
}

function areIds(...values: unknown[]): boolean {
  return values.every((value) => typeof value === 'string' && value.length <= ID_CHARS);
}

async function prepare(state: SharedSandboxState): Promise<void> {
  const { environmentId, key, settings } = state.start;
  const wanted = () => state.holders.length > 0;
  const sandboxId = state.sandbox.id;
  const summary = sandboxId ? `resume ${sandboxId}` : 'find or create the shared sandbox';
  try {
    if (settings.limited && !(await takeSlot(state, environmentId, wanted))) return;
    state.sandbox.nonce ??= uuid4();
    const wish = { nonce: state.sandbox.nonce, ...(state.hadSandbox ? { hadSandbox: true } : {}) };
    const args = { environmentId, key, sandboxId, ...wish };
    const ready = await sandboxPreparation.prepareSharedSandbox.executeWithOptions({ summary }, [args]);
    recordReady(state, ready.sandboxId);
  } catch (error) {
    if (isCancellation(error)) throw error;
    await returnSlot(state);
    const reason = reasonOf(error);
    raiseFailure(state, 'prepare', reason, Date.now());
    for (const { id } of state.holders.splice(0))
      await getExternalWorkflowHandle(id)
        .signal(sharedSandboxRefusedSignal, { reason })
        .catch(() => undefined);
  }
}

async function dismiss(state: SharedSandboxState): Promise<void> {
  const sandboxId = state.sandbox.id ?? '';
  const sessionIds = state.departed.splice(0);
  const args = { environmentId: state.start.environmentId, sandboxId, sessionIds };
  const summary = `end processes that ${sessionIds.length} ended sessions left running`;
  try {
    const dismissed = await urgentCalls.endSessionProcesses.executeWithOptions({ summary }, [args]);
    settle(state, 'dismiss');
    if (dismissed === 'lost') recordLost(state, sandboxId);
  } catch (error) {
    if (isCancellation(error)) throw error;
    raiseFailure(state, 'dismiss', reasonOf(error), Date.now(), state.sandbox.id);
  }
}

/** A holder that cannot be signalled has ended. */
async function assign(state: SharedSandboxState, holder: string, sessionId: string, sandboxId: string) {
  await getExternalWorkflowHandle(holder)
    .signal(sharedSandboxAssignedSignal, { sandboxId })
    .catch(() => recordReturned(state, { holder, sessionId, ended: true }, Date.now()));
}

async function pause(state: SharedSandboxState): Promise<void> {
  const sandboxId = state.sandbox.id ?? '';
  state.sandbox.ready = false;
  try {
    const args = { environmentId: state.start.environmentId, sandboxId };
    const paused = await shortCalls.pauseSandbox.executeWithOptions({ summary: `pause ${sandboxId}` }, [
      args,
    ]);
    settle(state, 'pause');
    if (paused === 'lost') recordLost(state, sandboxId);
  } catch (error) {
    if (isCancellation(error)) throw error;
    raiseFailure(state, 'pause', reasonOf(error), Date.now(), state.sandbox.id);
  }
  await returnSlot(state);
}

async function kill(state: SharedSandboxState): Promise<void> {
  const { environmentId, key, settings } = state.start;
  if (settings.copyOutputs && state.sandbox.id) {
    await copyOutputs(state, state.sandbox.id);
    // A session may have requested it meanwhile.
    if (state.holders.length > 0) return;
  }
  const summary = `kill the sandbox of ${key}: unused past its retention`;
  try {
    await shortCalls.killSandboxes.executeWithOptions({ summary }, [{ environmentId, key }]);
  } catch (error) {
    // The reconcile kills it later: it has no workflow then.
    if (isCancellation(error)) throw error;
    raiseFailure(state, 'kill', reasonOf(error), Date.now(), state.sandbox.id);
  }
  state.sandbox = { id: null, ready: false };
}

/** Copies the outputs of all its sessions. */
async function copyOutputs(state: SharedSandboxState, sandboxId: string): Promise<void> {
  const { environmentId, key, settings } = state.start;
  try {
    if (settings.limited) await takeSlot(state, environmentId, () => true);
    const args = { sessionId: key, environmentId, sandboxId };
    const summary = `copy the outputs of ${sandboxId}`;
    const copied = await outputCopies.copyOutputs.executeWithOptions({ summary }, [args]);
    recordCopied(state, copied, Date.now());
  } catch (error) {
    if (isCancellation(error)) throw error;
    recordCopied(state, { outcome: 'copied', problems: [reasonOf(error)] }, Date.now());
  }
}

async function check(state: SharedSandboxState): Promise<void> {
  try {
    const summary = 'find sessions that ended without returning the sandbox';
    const workflowIds = state.holders.map(({ id }) => id);
    const ended = await findEndedWorkflows.executeWithOptions({ summary }, [{ workflowIds }]);
    for (const { id, sessionId } of state.holders.filter((holder) => ended.includes(holder.id)))
      recordReturned(state, { holder: id, sessionId, ended: true }, Date.now());
  } catch (error) {
    if (isCancellation(error)) throw error;
    // The next check repeats it.
  }
}

function phaseOf({ sandbox, holders, slot }: SharedSandboxState): string {
  if (sandbox.ready) return 'running';
  if (slot && !slot.granted) return 'waiting for a sandbox';
  return holders.length > 0 ? 'waking' : 'paused';
}

function story(state: SharedSandboxState): string {
  const { sandbox, holders, slot } = state;
  const place = slot && !slot.granted ? `, position ${slot.position ?? '?'}` : '';
  const more = holders.length > SHOWN ? [`  - and ${holders.length - SHOWN} more`] : [];
  return [
    `- sandbox: ${sandbox.id ? `\`${sandbox.id}\`` : 'none'} ${phaseOf(state)}${place}`,
    `- sessions that need it: **${holders.length}**`,
    ...holders.slice(0, SHOWN).map(({ sessionId }) => `  - ${sessionId}`),
    ...more,
    ...attentionLines(state),
  ].join('\n');
}
