// What every activity is wrapped in: errors that Temporal can act on, heartbeats, hand-over at shutdown.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { toFailure } from './errors.ts';

/** Well below the shortest heartbeat time-out, well above what a server minds. */
const HEARTBEAT_EVERY_MS = 1500;

/** Wraps an activity: whatever it throws leaves as a failure that says whether a retry can help. */
export function guard<Args extends unknown[], Result>(
  activity: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await activity(...args);
    } catch (error) {
      const { cancellationSignal, cancellationDetails } = Context.current();
      if (!cancellationSignal.aborted) throw toFailure(error);
      if (cancellationDetails?.cancelRequested) throw cancellationSignal.reason;
      // The worker is going away, not the wish: another worker goes on at once.
      throw ApplicationFailure.create({
        message: 'worker is shutting down',
        type: 'retry',
        nextRetryDelay: '10ms',
      });
    }
  };
}

/** Heartbeats with the current details while `work` runs. */
export async function beating<Result>(details: () => unknown, work: () => Promise<Result>): Promise<Result> {
  const context = Context.current();
  context.heartbeat(details());
  const timer = setInterval(() => context.heartbeat(details()), HEARTBEAT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
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
