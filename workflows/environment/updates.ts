// The updates of an environment: drain, resume, reconcile now. Each is recorded; the workflow acts, or its next run.

import type { UpdateDefinition } from '@temporalio/common';
import {
  ApplicationFailure,
  condition,
  currentUpdateInfo,
  setHandler,
  upsertMemo,
} from '@temporalio/workflow';
import { type Answered, answerOf, recordUpdate, settlePending } from '../answered-updates.ts';
import {
  ANSWERED_WITHIN_MS,
  DRAINED_MEMO,
  drainUpdate,
  reconcileNowUpdate,
  resumeUpdate,
  UPDATE_ID_CHARS,
  UPDATE_MALFORMED,
  type UpdateAnswer,
  type UpdateRequest,
} from '../updates.ts';

export interface Drained {
  by: string;
  /** Epoch ms. */
  at: number;
}

export interface EnvironmentWishes extends Answered {
  drained: Drained | null;
  /** A reconcile is to be made at once. */
  reconcileNow: boolean;
  isReconciling: boolean;
  /** How many this run has made. */
  reconciles: number;
  lastReconcile(): string;
  isWatching(): boolean;
  stopWatching(): void;
  /** The run ends: the next one does what is asked for. */
  closing: boolean;
}

/** Registers all handlers. Call it before the first await. No default handler: see workflows/session/updates.ts. */
export function receiveUpdates(wishes: EnvironmentWishes): void {
  const on = (
    update: UpdateDefinition<UpdateAnswer, [UpdateRequest]>,
    act: (by: string) => UpdateAnswer | Promise<UpdateAnswer>,
  ): void =>
    setHandler(
      update,
      async ({ by }) => {
        const id = currentUpdateInfo()?.id ?? '';
        const earlier = answerOf(wishes, id);
        if (earlier) return earlier;
        const answer = await act(by);
        recordUpdate(wishes, { id, name: update.name, by, at: Date.now(), answer });
        return answer;
      },
      { validator: requireRequest },
    );
  on(drainUpdate, async (by) => {
    if (wishes.drained) return said('already', `No work is taken already, drained by ${wishes.drained.by}.`);
    wishes.drained = { by, at: Date.now() };
    showDrained(wishes.drained);
    wishes.stopWatching();
    const stopped = await waitFor(() => !wishes.isWatching());
    if (!wishes.drained) return said('failed', 'A person has resumed the environment meanwhile.');
    if (!stopped) return said('pending', 'No new work is taken as soon as the watch of the queue has ended.');
    return said('done', 'No new work is taken. Sessions under way end their turns.');
  });
  on(resumeUpdate, () => {
    if (!wishes.drained) return said('already', 'The environment takes work.');
    wishes.drained = null;
    showDrained(null);
    return said('done', 'The queue is watched again, and waiting work is taken.');
  });
  on(reconcileNowUpdate, async () => {
    // A reconcile that is under way may have read the queue before what the person has in mind happened.
    const wanted = wishes.reconciles + (wishes.isReconciling ? 2 : 1);
    wishes.reconcileNow = true;
    const isDone = () => wishes.reconciles >= wanted;
    await waitFor(() => isDone() || wishes.closing);
    if (!isDone()) return said('pending', 'The reconcile is under way, or begins in seconds.');
    return reconciled(wishes.lastReconcile());
  });
}

/** A reconcile is over: the answer for people who were told that it is pending. */
export function settleReconciles(wishes: EnvironmentWishes): void {
  settlePending(wishes, reconcileNowUpdate.name, reconciled(wishes.lastReconcile()));
}

function reconciled(found: string): UpdateAnswer {
  return said(found.startsWith('failed') ? 'failed' : 'done', `Reconciled: ${found}.`);
}

/** For the activity that claims work. The memo of a run is not taken for granted in the next one. */
export function showDrained(drained: Drained | null): void {
  upsertMemo({ [DRAINED_MEMO]: drained && new Date(drained.at).toISOString() });
}

function waitFor(isDone: () => boolean): Promise<boolean> {
  return condition(isDone, ANSWERED_WITHIN_MS, { summary: 'until the update is done' });
}

function said(outcome: UpdateAnswer['outcome'], text: string): UpdateAnswer {
  return { outcome, text, keeps: 'all sessions, with their leases, calls and sandboxes' };
}

function requireRequest(request: UpdateRequest): void {
  const by: unknown = request?.by;
  if (typeof by === 'string' && by.trim() !== '' && by.length <= UPDATE_ID_CHARS) return;
  const message = `the update takes { by } with 1 to ${UPDATE_ID_CHARS} characters`;
  throw ApplicationFailure.nonRetryable(message, UPDATE_MALFORMED);
}
