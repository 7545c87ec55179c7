// The activities as the workflows of sessions and sandboxes use them: one proxy per retry class, each with its
// time-outs, its retries and the reason for them. Failures that no retry can help say so themselves.
import {
  ActivityCancellationType,
  type ActivityOptions,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import { type Activities, CREDENTIAL_REFUSED } from './contract.ts';
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

/** A dead worker is noticed so soon, whatever it was doing. */
const HEARTBEAT_TIMEOUT = '8s';

/** Short calls to one of the two services. The service may be away for hours: retried until it is back. */
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
>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumInterval: '30s' },
});

/**
 * A sandbox may take a minute to resume, a quota longer to free a place. One that is being made while its session ends
 * is waited for: it could not be killed before it is there.
 */
export const sandboxPreparation = preparation<
  'prepareSandbox' | 'prepareSharedSandbox' | 'enterSharedSandbox'
>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', maximumInterval: '20s' },
});

/** Gigabytes may be copied. A place that takes nothing for a day loses them, for a sandbox is not kept for ever. */
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
 * die, and each death is an attempt: the next one never waits long. Where a service says no, the failure says how long to
 * wait. Its end is not waited for: the next watch, or the service, ends one that has not noticed yet.
 */
export const { watchSession } = inPool('sessionWatches')<'watchSession'>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
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

/** An interrupt wants its answer within a second or two; once the sandbox is gone there is nothing to cancel. */
export const urgentCalls = short<'cancelToolCall' | 'endSessionProcesses'>({
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '2 minutes',
  retry: { initialInterval: '200ms', maximumInterval: '5s' },
});

/** A result in hand is worth hours of patience, but it arrives soon after the service is back. */
export const resultPosting = short<'postResult'>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

/** Who has ended without returning what it held. A look that fails is made again at the next one anyway. */
export const { findEndedWorkflows } = short<'findEndedWorkflows'>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { maximumAttempts: 3 },
});

/** Polls the work queue. Returns after an hour by itself, so that the history stays short. */
export const { watchQueue } = inPool('queueWatches')<'watchQueue'>({
  startToCloseTimeout: '70 minutes',
  // A lost webhook costs what it takes to notice a dead worker here, plus one poll.
  heartbeatTimeout: '5s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumInterval: '30s', ...UNLESS_REFUSED },
});

/** A reconcile that fails is made again at the next occasion anyway. */
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
