// The net under lost webhooks: how long an item can lie in the queue before the watch asks for it.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { createWorkQueueActivities } from '../../../activities/work-queue/watch-queue.ts';
import { activityContext, testDeps } from '../deps.ts';

/** What a lost webhook may cost, in milliseconds. */
const LONGEST_ROUND_MS = 5_000;
const ROUNDS = 50;
/** States of a pending activity. */
const STARTED = 2;
const CANCEL_REQUESTED = 3;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The watch, of an empty queue, as a workflow that wants it or not. */
function watchOf(activityState: number) {
  const context = activityContext({ heartbeatTimeoutMs: 45_000 });
  const beats: unknown[] = [];
  context.on('heartbeat', (details) => beats.push(details));
  const described = {
    raw: { pendingActivities: [{ activityId: context.context.info.activityId, state: activityState }] },
  };
  const temporal = { workflow: { getHandle: () => ({ describe: async () => described }) } };
  const deps = testDeps({}, { temporal: temporal as never });
  const { watchQueue } = createWorkQueueActivities({ drain: async () => 0 } as unknown as WorkClaims, deps);
  const watching = context.run(watchQueue, { environmentId: 'env_1' });
  watching.catch(() => undefined);
  return { context, beats, watching };
}

it('heartbeats within seconds where it is to end, so that it learns of that', async () => {
  const { beats, context, watching } = watchOf(CANCEL_REQUESTED);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(beats).not.toEqual([]);
  context.cancel();
  await expect(watching).rejects.toThrow();
});

it('heartbeats twice a minute at most while it is wanted', async () => {
  const { beats, context, watching } = watchOf(STARTED);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(beats.length).toBeLessThanOrEqual(20);
  expect(beats.length).toBeGreaterThan(10);
  context.cancel();
  await expect(watching).rejects.toThrow();
});

it.each([
  ['shortest', 0],
  ['longest', 0.999],
])('asks the queue again within five seconds, with the %s pauses', async (_pauses, random) => {
  vi.spyOn(Math, 'random').mockReturnValue(random);
  const asked: number[] = [];
  const enough = new Error('enough rounds');
  // An empty queue answers when it has waited as long as it may.
  const drain = async (blockMs = 0) => {
    asked.push(Date.now());
    if (asked.length > ROUNDS) throw enough;
    await new Promise((resolve) => setTimeout(resolve, blockMs));
    return 0;
  };
  const { watchQueue } = createWorkQueueActivities({ drain } as unknown as WorkClaims, testDeps({}));
  const watching = activityContext().run(watchQueue, { environmentId: 'env_1' });
  watching.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(ROUNDS * LONGEST_ROUND_MS);
  await expect(watching).rejects.toThrow(enough.message);
  const rounds = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
  expect(Math.max(...rounds)).toBeLessThanOrEqual(LONGEST_ROUND_MS);
  // Nor so often that the service would mind.
  expect(Math.min(...rounds)).toBeGreaterThanOrEqual(1_000);
});
