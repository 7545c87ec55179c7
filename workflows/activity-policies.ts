// The activities as the workflows of sessions and sandboxes use them: one proxy per retry class, each with its
// time-outs, its retries and the reason for them. Failures that no retry can help say so themselves.
import {
  ActivityCancellationType,
  type ActivityOptions,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import { type Activities, CREDENTIAL_REFUSED } from './contract.ts';
import { HEARTBEAT_TIMEOUT_MS } from './heartbeat-timeouts.ts';
import { type ActivityOf, type Pool, taskQueueOf } from './task-queues.ts';

/** Proxies for activities of a pool: none can be asked for on another pool's task queue. */
const inPool =
  <P extends Pool>(pool: P) =>
  <Name extends ActivityOf<P>>(options: Omit<ActivityOptions, 'taskQueue'>) =>
    proxyActivities<Pick<Activities, Name>>({
      ...options,
      // Read at each call: which deployment a workflow belongs to is known only when it runs.
      get taskQueue() {
        return taskQueueOf(pool, workflowInfo().taskQueue);
      },
    });

const short = inPool('short');
const preparation = inPool('preparation');

/** An environment shows at once that its credential is refused. */
const UNLESS_REFUSED = { nonRetryableErrorTypes: [CREDENTIAL_REFUSED] };

const HEARTBEAT_TIMEOUT = HEARTBEAT_TIMEOUT_MS.toolCall;

/** A service may be away for hours: retried until it is back. */
const UNTIL_IT_IS_BACK = {
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { initialInterval: '500ms', maximumInterval: '30s' },
} as const;

/** Short calls to one of the two services. */
export const shortCalls = short<
  | 'inspectSession'
  | 'checkSession'
  | 'findSession'
  | 'claimWork'
  | 'requestSlot'
  | 'requestSharedSandbox'
  | 'stopWork'
  | 'pauseSandbox'
  | 'killSandboxes'
>({ ...UNTIL_IT_IS_BACK, cancellationType: ActivityCancellationType.TRY_CANCEL });

/**
 * Calls to both services; the next attempt goes on where the last one ended. Its end is waited for: a sandbox must not be
 * paused for a workflow that has closed, while the next one uses it.
 */
export const { restSession } = short<'restSession'>({
  ...UNTIL_IT_IS_BACK,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/**
 * A sandbox may take a minute to resume, and longer where a quota is used up. A sandbox that is being created while its
 * session ends is waited for: it could not be killed before it exists.
 */
export const sandboxPreparation = preparation<
  'prepareSandbox' | 'prepareSharedSandbox' | 'enterSharedSandbox'
>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', maximumInterval: '20s' },
});

/** Gigabytes may be copied. A store that takes nothing for a day loses them: a sandbox is not kept for ever. */
export const outputCopies = inPool('copies')<'copyOutputs'>({
  startToCloseTimeout: '6 hours',
  scheduleToCloseTimeout: '1 day',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '5 minutes' },
});

/** A store may hold 2,000 files. What cannot be synced for so long is synced with the next turn. */
export const memorySync = preparation<'syncMemory'>({
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumInterval: '20s' },
});

/**
 * The watch over a session lasts as long as its turn; another worker takes it over in seconds. It may see many workers
 * die, and each death is an attempt, so the pause between attempts stays short. A failure says itself where a longer one
 * is needed. Its end is not waited for: the next watch, or the service, ends one that has not noticed yet.
 */
export const { watchSession } = inPool('sessionWatches')<'watchSession'>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS.sessionWatch,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '200ms', maximumInterval: '1s' },
});

/** Safe to retry for ever: the toolhost runs an id at most once, a retry attaches to it. */
export const toolCalls = inPool('toolCalls')<'runToolCall'>({
  startToCloseTimeout: '20 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '200ms', maximumInterval: '10s' },
});

/** An interrupt has to take effect within a second or two; once the sandbox is lost there is nothing to cancel. */
export const urgentCalls = short<'cancelToolCall' | 'interruptSession' | 'endSessionProcesses'>({
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '2 minutes',
  retry: { initialInterval: '200ms', maximumInterval: '5s' },
});

/** A result is posted for hours if need be, and soon after the service is back. */
export const resultPosting = short<'postResult'>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

/**
 * The owner's hook may be away for hours; what a message is about may be over sooner, and then it is cancelled. Slots of
 * its own: a hook that answers slowly keeps nothing else waiting.
 */
export const hookCalls = inPool('hooks')<'callHook'>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '1 day',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '2s', maximumInterval: '10 minutes' },
});

/** A check that fails is repeated by the next one anyway. */
export const { findEndedWorkflows } = short<'findEndedWorkflows'>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { maximumAttempts: 3 },
});

/**
 * Polls the work queue. Returns after an hour by itself, so that the history stays short. Its end is waited for, at most
 * until a dead worker is noticed: a drained environment takes nothing more. It asks by itself whether it is to end.
 */
export const { watchQueue } = inPool('queueWatches')<'watchQueue'>({
  startToCloseTimeout: '70 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS.queueWatch,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', maximumInterval: '30s', ...UNLESS_REFUSED },
});

/** A reconcile that fails is repeated at the next occasion anyway. */
export const { reconcile } = preparation<'reconcile'>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '30s',
  retry: {
    initialInterval: '5s',
    maximumInterval: '1 minute',
    maximumAttempts: 3,
    ...UNLESS_REFUSED,
  },
});
