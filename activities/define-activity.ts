// What every activity is wrapped in: errors that Temporal can act on, heartbeats, hand-over at shutdown.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { RETRY } from '../workflows/contract.ts';
import { toFailure } from './errors.ts';

const LOOK_EVERY_MS = 500;

interface Saying {
  /** From here another attempt goes on. */
  details: () => unknown;
  saidAt: number;
}

/** What the heartbeats of a running activity say. */
const sayings = new WeakMap<Context, Saying>();

/**
 * Wraps an activity: it heartbeats, so that the death of its worker is noticed in seconds, and whatever it throws
 * leaves as a failure that says whether a retry can help. One that is over at once costs no heartbeat.
 */
export function defineActivity<Args extends unknown[], Result>(
  activity: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    const context = Context.current();
    sayings.set(context, { details: () => null, saidAt: Date.now() });
    const timer = setInterval(() => sayInTime(context), LOOK_EVERY_MS);
    try {
      return await activity(...args);
    } catch (error) {
      const { cancellationSignal, cancellationDetails } = context;
      if (!cancellationSignal.aborted) throw toFailure(error);
      if (cancellationDetails?.cancelRequested) throw cancellationSignal.reason;
      // The worker is going away, not the wish: another worker goes on at once, from where this one is.
      say(context);
      throw ApplicationFailure.create({
        message: 'worker is shutting down',
        type: RETRY,
        nextRetryDelay: '10ms',
      });
    } finally {
      clearInterval(timer);
    }
  };
}

/** Of the workflow that the activity runs for. */
export function workflowId(): string | undefined {
  return Context.current().info.workflowExecution?.workflowId;
}

/** From now on the heartbeats of this activity say this; none is sent for it. */
export function setHeartbeatDetails(details: () => unknown): void {
  const saying = sayings.get(Context.current());
  if (saying) saying.details = details;
}

/** From now on the heartbeats of this activity say how far it is; the first is sent at once. */
export function heartbeatNow(details: () => unknown): void {
  const context = Context.current();
  sayings.set(context, { details, saidAt: 0 });
  say(context);
}

/** No oftener than is needed: each is a transaction of the Temporal server, for hundreds of sessions at once. */
function sayInTime(context: Context): void {
  const saying = sayings.get(context);
  if (!saying) return;
  const everyMs = (context.info.heartbeatTimeoutMs ?? Number.POSITIVE_INFINITY) / 2;
  if (Date.now() - saying.saidAt >= everyMs) say(context);
}

function say(context: Context): void {
  const saying = sayings.get(context);
  if (!saying) return;
  saying.saidAt = Date.now();
  context.heartbeat(saying.details());
}

/** @throws the signal's reason when it is aborted meanwhile */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
