// The net under the webhooks, one workflow per environment: watches the work queue all the time, and every few
// minutes compares what the service, the sandboxes and the session workflows say.
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { reconcile, shortCalls, watchQueue } from '../activity-policies.ts';
import { type AnsweredUpdate, updateLines } from '../answered-updates.ts';
import { reasonOf } from '../failure-reason.ts';
import { type ClaimRequest, claimRequestedSignal, DRAINED_MEMO, type EnvironmentStart } from '../messages.ts';
import { renew, watchBuild } from '../renewal.ts';
import { claimPauseMs, reconcileEveryMs } from './intervals.ts';
import {
  type Drained,
  type EnvironmentWishes,
  receiveUpdates,
  settleReconciles,
  showDrained,
} from './updates.ts';

/** A run goes on from the one before. */
interface EnvironmentState extends EnvironmentStart {
  /** A claim was asked for and not made yet. */
  claim?: ClaimRequest | null;
  /** No new work is taken. */
  drained?: Drained | null;
  /** A person has asked for a reconcile that was not made yet. */
  reconcileNow?: boolean;
  /** The last updates that were answered. */
  updates?: AnsweredUpdate[];
}

/**
 * Between two watches that both ended early. After a failure that no retry can mend, such as a revoked key, a person has
 * to act first; the workflow's details show the failure.
 */
const WATCH_AT_LEAST_MS = 60_000;
/**
 * Where sessions ask for claims here, each is a signal, and a run of a workflow takes 10,000 of them. A run that is asked
 * while it closes has to be replayed before it can try again: that must not take long.
 */
const HISTORY_BUDGET = 1_000;

export async function environmentWorkflow(start: EnvironmentState): Promise<void> {
  const { environmentId } = start;
  const reconcileMs = reconcileEveryMs(start.reconcileMs);
  const startedAt = Date.now();
  const isDrained = Boolean(start.drained);
  let watching = !isDrained;
  let watch = isDrained
    ? `**drained** by ${start.drained?.by}: takes no new work`
    : 'watching the work queue';
  let lastReconcile = 'not yet';
  let wanted = start.claim ?? null;
  const newerBuildIsCurrent = watchBuild();
  const isLong = () => newerBuildIsCurrent() || workflowInfo().historyLength > HISTORY_BUDGET;
  setHandler(claimRequestedSignal, (claim) => {
    if (typeof claim?.perMinute === 'number' && claim.perMinute > 0) wanted = { perMinute: claim.perMinute };
  });
  const wishes: EnvironmentWishes = {
    ...(start.updates ? { updates: start.updates } : {}),
    drained: start.drained ?? null,
    reconcileNow: start.reconcileNow === true,
    isReconciling: false,
    reconciles: 0,
    lastReconcile: () => lastReconcile,
    isWatching: () => watching,
    stopWatching: () => scope.cancel(),
    closing: false,
  };
  const scope = new CancellationScope({ cancellable: true });
  receiveUpdates(wishes);
  // A run begins with the memo with which the run before began.
  if (isDrained || workflowInfo().memo?.[DRAINED_MEMO]) showDrained(wishes.drained);
  /** Drained or resumed: the next run watches, or does not. */
  const hasChanged = () => (wishes.drained !== null) !== isDrained;
  /** Also where a person has drained and resumed it at once. */
  const isStopped = () => scope.consideredCancelled || hasChanged();
  const publish = () =>
    setCurrentDetails(
      [`- queue: ${watch}`, `- last reconcile: ${lastReconcile}`, ...updateLines(wishes)].join('\n'),
    );

  const watched = scope
    .run(async () => {
      if (isDrained) return;
      await watchQueue.executeWithOptions({ summary: `poll the work queue of ${environmentId}` }, [
        { environmentId },
      ]);
    })
    .then(
      () => (isDrained ? undefined : pauseUntil(startedAt + WATCH_AT_LEAST_MS, isStopped)),
      (error: unknown) => {
        if (isCancellation(error) || isStopped()) return;
        watch = `**cannot be watched:** ${reasonOf(error)}`;
        publish();
        return pauseUntil(startedAt + WATCH_AT_LEAST_MS, isStopped);
      },
    )
    .finally(() => {
      watching = false;
    });

  const claiming = (async () => {
    for (;;) {
      await condition(() => wanted !== null || !watching);
      if (!wanted || !watching) return;
      const { perMinute } = wanted;
      // A request that comes from now on may be about an item that this claim does not see yet.
      wanted = null;
      let failed = false;
      await shortCalls.claimWork
        .executeWithOptions({ summary: 'claim work from the queue' }, [{ environmentId }])
        .catch((error: unknown) => {
          watch = `**claim failed:** ${reasonOf(error)}`;
          failed = true;
        });
      await sleep(claimPauseMs(perMinute, failed), { summary: `no more than ${perMinute} claims a minute` });
    }
  })();

  const over = () => hasChanged() || !(watching || isDrained) || isLong();
  while (!over()) {
    publish();
    const isDue = () => over() || wishes.reconcileNow;
    await condition(isDue, reconcileMs, { summary: 'until the next reconcile' });
    if (over()) break;
    wishes.reconcileNow = false;
    wishes.isReconciling = true;
    try {
      const found = await reconcile.executeWithOptions({ summary: 'compare queue, sessions and sandboxes' }, [
        { environmentId },
      ]);
      lastReconcile = found.length > 0 ? found.join('; ') : 'all in order';
    } catch (error) {
      lastReconcile = `failed: ${reasonOf(error)}`;
    }
    wishes.isReconciling = false;
    wishes.reconciles += 1;
    settleReconciles(wishes);
  }
  scope.cancel();
  await watched;
  await claiming;
  wishes.closing = true;
  // Updates that come from now on are recorded at once, and the next run does what they ask for.
  await condition(allHandlersFinished);
  const { drained, reconcileNow, updates } = wishes;
  const asked = { drained, reconcileNow, ...(updates ? { updates } : {}) };
  await renew<typeof environmentWorkflow>({ ...start, claim: wanted, ...asked });
}

async function pauseUntil(moment: number, over: () => boolean): Promise<void> {
  const pauseMs = moment - Date.now();
  if (pauseMs > 0) await condition(over, pauseMs, { summary: 'wait before the next watch' });
}
