// The updates of an environment: drain, resume, reconcile now. Each is recorded; the workflow acts, or its next run.
import {
  ApplicationFailure,
  condition,
  setDefaultUpdateHandler,
  setHandler,
  upsertMemo,
} from '@temporalio/workflow';
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

export interface EnvironmentWishes {
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

/** Registers all handlers. Call it before the first await. */
export function receiveUpdates(wishes: EnvironmentWishes): void {
  setHandler(
    drainUpdate,
    async ({ by }) => {
      if (wishes.drained)
        return said('already', `No work is taken already, drained by ${wishes.drained.by}.`);
      wishes.drained = { by, at: Date.now() };
      showDrained(wishes.drained);
      wishes.stopWatching();
      await waitFor(() => !wishes.isWatching());
      return said('done', 'No new work is taken, within seconds. Sessions under way end their turns.');
    },
    { validator: requireRequest },
  );
  setHandler(
    resumeUpdate,
    async () => {
      if (!wishes.drained) return said('already', 'The environment takes work.');
      wishes.drained = null;
      showDrained(null);
      return said('done', 'The queue is watched again, and waiting work is taken.');
    },
    { validator: requireRequest },
  );
  setHandler(
    reconcileNowUpdate,
    async () => {
      // One that is under way may have read the queue before what the person has in mind happened.
      const wanted = wishes.reconciles + (wishes.isReconciling ? 2 : 1);
      wishes.reconcileNow = true;
      const isDone = () => wishes.reconciles >= wanted;
      await waitFor(() => isDone() || wishes.closing);
      if (!isDone()) return said('pending', 'The reconcile is under way, or begins in seconds.');
      const found = wishes.lastReconcile();
      return said(found.startsWith('failed') ? 'failed' : 'done', `Reconciled: ${found}.`);
    },
    { validator: requireRequest },
  );
  // Without it, an update of an unknown name would wait for ever.
  setDefaultUpdateHandler((name) => {
    const message = `environments know no update ${name.slice(0, 100)}`;
    throw ApplicationFailure.nonRetryable(message, UPDATE_MALFORMED);
  });
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
