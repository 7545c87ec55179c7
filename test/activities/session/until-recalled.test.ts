import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { untilRecalled } from '../../../activities/session/until-recalled.ts';
import { activityContext, testDeps } from '../deps.ts';

/** States of a pending activity. */
const STARTED = 2;
const CANCEL_REQUESTED = 3;
const GRACE_MS = 30_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A watch in the grace after a turn. */
function idleWatch() {
  const context = activityContext();
  const self = { activityId: context.context.info.activityId, state: STARTED };
  let asked = 0;
  const describe = async () => {
    asked += 1;
    return { raw: { pendingActivities: [{ activityId: 'another', state: CANCEL_REQUESTED }, self] } };
  };
  const temporal = { workflow: { getHandle: () => ({ describe }) } };
  const deps = testDeps({}, { temporal: temporal as never });
  const view = { turn: 'idle', newest: 'sevt_1' };
  const over = new AbortController();
  let end: unknown;
  void context
    .run(() => untilRecalled(deps.temporal, view, GRACE_MS, over.signal))
    .then((why) => {
      end = why;
    })
    .catch(() => undefined);
  return { self, view, over, asked: () => asked, end: () => end };
}

it('ends the watch within seconds of the rest, without a heartbeat', async () => {
  const watch = idleWatch();
  await vi.advanceTimersByTimeAsync(GRACE_MS - 1_000);
  expect(watch.asked()).toBe(0);
  watch.self.state = CANCEL_REQUESTED;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(watch.end()).toBe('recalled');
});

it('does not ask while something happens, and rarely where a session goes on without a rest', async () => {
  const watch = idleWatch();
  for (let event = 2; event < 10; event += 1) {
    await vi.advanceTimersByTimeAsync(GRACE_MS / 2);
    watch.view.newest = `sevt_${event}`;
  }
  watch.view.turn = 'running';
  await vi.advanceTimersByTimeAsync(10 * GRACE_MS);
  expect(watch.asked()).toBe(0);
  watch.view.turn = 'idle';
  await vi.advanceTimersByTimeAsync(GRACE_MS + 120_000);
  expect(watch.asked()).toBeLessThan(25);
  expect(watch.end()).toBeUndefined();
  watch.over.abort();
});
