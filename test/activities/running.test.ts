import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { guard, HEARTBEAT_EVERY_MS, HEARTBEAT_SOON_MS, heartbeatWith } from '../../activities/running.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Runs an activity until it is let go, and notes what its heartbeats say. */
function start(before: () => void) {
  const env = new MockActivityEnvironment();
  const beats: unknown[] = [];
  env.on('heartbeat', (details) => beats.push(details));
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const activity = guard(async () => {
    before();
    await over;
  });
  const running = env.run(activity);
  return {
    beats,
    end: async () => {
      end();
      await running;
    },
  };
}

it('is over at once without a heartbeat, and heartbeats in time when it lasts', async () => {
  const { beats, end } = start(() => undefined);
  await vi.advanceTimersByTimeAsync(HEARTBEAT_EVERY_MS - 1000);
  expect(beats).toEqual([]);
  await vi.advanceTimersByTimeAsync(2 * HEARTBEAT_EVERY_MS);
  expect(beats).toEqual([null, null]);
  await end();
  await vi.advanceTimersByTimeAsync(10 * HEARTBEAT_EVERY_MS);
  expect(beats).toHaveLength(2);
});

it('says how far it is, more often once a cancellation is near', async () => {
  let everyMs = HEARTBEAT_EVERY_MS;
  let done = 1;
  const { beats, end } = start(() =>
    heartbeatWith(
      () => ({ done }),
      () => everyMs,
    ),
  );
  expect(beats).toEqual([{ done: 1 }]);
  done = 2;
  await vi.advanceTimersByTimeAsync(HEARTBEAT_EVERY_MS - 1000);
  expect(beats).toHaveLength(1);
  everyMs = HEARTBEAT_SOON_MS;
  await vi.advanceTimersByTimeAsync(HEARTBEAT_SOON_MS);
  expect(beats).toEqual([{ done: 1 }, { done: 2 }]);
  await end();
});
