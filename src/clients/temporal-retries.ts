// How calls to Temporal are repeated: as its SDK does it, but soon where a workflow is only busy for a moment.
import { AsyncLocalStorage } from 'node:async_hooks';
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';

const RESOURCE_EXHAUSTED = 8;
const SOON_MS = 50;
/** The SDK's own: the namespace has used up its rate. */
const RATE_LIMITED_MS = 1_000;
const OTHERWISE_MS = 100;

/**
 * A workflow that continues as new takes no signal until its new run has begun, milliseconds later. The server says so with
 * the status of a used up rate, after which the SDK pauses for two seconds.
 */
export function firstPauseMs({ code, details }: { code: number; details: string }): number {
  if (code !== RESOURCE_EXHAUSTED) return OTHERWISE_MS;
  return /workflow is (closing|busy)/i.test(details) ? SOON_MS : RATE_LIMITED_MS;
}

type Interceptor = ReturnType<typeof makeGrpcRetryInterceptor>;

const options = defaultGrpcRetryOptions({ initialIntervalMs: firstPauseMs });
const repeat = makeGrpcRetryInterceptor(options);
const never = makeGrpcRetryInterceptor({ ...options, retryableDecider: () => false });
const singleAttempt = new AsyncLocalStorage<true>();

export const retries: Interceptor = (call, next) => (singleAttempt.getStore() ? never : repeat)(call, next);

/** Calls to Temporal in `run` are not repeated: for a question that is worth no wait. */
export function withoutRetries<Result>(run: () => Promise<Result>): Promise<Result> {
  return singleAttempt.run(true, run);
}
