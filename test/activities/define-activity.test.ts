import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { defineActivity } from '../../activities/define-activity.ts';
import { heartbeatEveryMs, heartbeatNow } from '../../activities/heartbeat.ts';
import { HEARTBEAT_TIMEOUT_MS } from '../../workflows/heartbeat-timeouts.ts';

const TIMEOUT_MS = 8_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Runs an activity until it is let go, and notes what its heartbeats say. */
function start(before: () => void) {
  const env = new MockActivityEnvironment({ heartbeatTimeoutMs: TIMEOUT_MS });
  const beats: unknown[] = [];
  env.on('heartbeat', (details) => beats.push(details));
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const activity = defineActivity(async () => {
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

it('heartbeats early enough for a slow network, and no more often: a session at work costs at most 720 an hour', () => {
  const anHour = (timeoutMs: number) => 3_600_000 / heartbeatEveryMs(timeoutMs);
  const { toolCall, sessionWatch, queueWatch } = HEARTBEAT_TIMEOUT_MS;
  for (const timeoutMs of [toolCall, sessionWatch, queueWatch])
    expect(timeoutMs - heartbeatEveryMs(timeoutMs)).toBeGreaterThanOrEqual(3_000);
  expect(anHour(toolCall) + anHour(sessionWatch)).toBeLessThanOrEqual(720);
  expect(anHour(queueWatch)).toBeLessThanOrEqual(120);
  // How long a dead worker goes unnoticed.
  expect(toolCall).toBeLessThanOrEqual(10_000);
  expect(Math.max(sessionWatch, queueWatch)).toBeLessThanOrEqual(60_000);
});

it('is over at once without a heartbeat, and heartbeats twice in its time-out when it lasts', async () => {
  const { beats, end } = start(() => undefined);
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS / 2 - 1000);
  expect(beats).toEqual([]);
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
  expect(beats).toEqual([null, null]);
  await end();
  await vi.advanceTimersByTimeAsync(10 * TIMEOUT_MS);
  expect(beats).toHaveLength(2);
});

it('says how far it is, at once and again within the time-out', async () => {
  let done = 1;
  const { beats, end } = start(() => heartbeatNow(() => ({ done })));
  expect(beats).toEqual([{ done: 1 }]);
  done = 2;
  await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
  expect(beats).toEqual([{ done: 1 }, { done: 2 }]);
  await end();
});
