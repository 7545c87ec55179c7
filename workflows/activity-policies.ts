// The activities as the workflows of sessions and sandboxes use them: one proxy per retry class, each with its
// time-outs, its retries and the reason for them. Errors of type `final` (activities/errors.ts) are never retried.
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

const FINAL = ['final'];

/** A dead worker is noticed so soon, whatever it was doing. */
const HEARTBEAT_TIMEOUT = '8s';

/** Short calls to one of the two services. The service may be away for hours: retried until it is back. */
export const services = proxyActivities<
  Pick<
    Activities,
    | 'lookAtSession'
    | 'findSession'
    | 'claimWork'
    | 'requestSlot'
    | 'acquireSandbox'
    | 'stopWork'
    | 'pauseSandbox'
    | 'killSandbox'
    | 'killSharedSandbox'
  >
>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumInterval: '30s', nonRetryableErrorTypes: FINAL },
});

/**
 * A sandbox may take a minute to resume, a quota longer to free a place. One that is being made while its session ends
 * is waited for: it could not be killed before it is there.
 */
export const sandboxes = proxyActivities<
  Pick<Activities, 'prepareSandbox' | 'prepareSharedSandbox' | 'enterSandbox'>
>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', maximumInterval: '20s', nonRetryableErrorTypes: FINAL },
});

/** Gigabytes may be copied. A place that takes nothing for a day loses them, for a sandbox is not kept for ever. */
export const outputs = proxyActivities<Pick<Activities, 'copyOutputs'>>({
  startToCloseTimeout: '6 hours',
  scheduleToCloseTimeout: '1 day',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '5 minutes', nonRetryableErrorTypes: FINAL },
});

/** A store may hold 2,000 files. What cannot be synced for so long is synced with the next turn. */
export const memory = proxyActivities<Pick<Activities, 'syncMemory'>>({
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumInterval: '20s', nonRetryableErrorTypes: FINAL },
});

/**
 * The watch over a session lasts as long as its work item; another worker takes it over in seconds. It may see many
 * workers die, and each death is an attempt: the next one never waits long. Where a service says no, the failure says how
 * long to wait.
 */
export const watch = proxyActivities<Pick<Activities, 'attend'>>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '200ms', maximumInterval: '1s', nonRetryableErrorTypes: FINAL },
});

/**
 * While others act, perhaps for days: fewer heartbeats, but a dead worker is noticed before the lease on the work item
 * is over. It returns by itself as soon as there is news.
 */
export const patientWatch = proxyActivities<Pick<Activities, 'attend'>>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '14s',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '200ms', maximumInterval: '1s', nonRetryableErrorTypes: FINAL },
});

/** Safe to retry for ever: the toolhost runs an id at most once, a retry attaches to it. */
export const tools = proxyActivities<Pick<Activities, 'runToolCall'>>({
  startToCloseTimeout: '20 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '200ms', maximumInterval: '10s', nonRetryableErrorTypes: FINAL },
});

/** An interrupt wants its answer within a second or two; once the sandbox is gone there is nothing to cancel. */
export const interrupts = proxyActivities<Pick<Activities, 'cancelToolCall' | 'dismissSessions'>>({
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '2 minutes',
  retry: { initialInterval: '200ms', maximumInterval: '5s', nonRetryableErrorTypes: FINAL },
});

/** A result in hand is worth hours of patience, but it arrives soon after the service is back. */
export const posts = proxyActivities<Pick<Activities, 'postResult'>>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '30s', nonRetryableErrorTypes: FINAL },
});

/** Who has ended without returning what it held. A look that fails is made again at the next one anyway. */
export const { findEnded } = proxyActivities<Pick<Activities, 'findEnded'>>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  retry: { maximumAttempts: 3 },
});
