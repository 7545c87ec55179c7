// Finds the deliveries that tell nothing new, because a watch follows the session. Asking Temporal for a watch costs as much as
// the signal that it may save, so it is asked only where a watch is likely: while the session works. A session that wakes is
// signalled without delay.
import { BoundedMap } from './bounded-map.ts';

/** A watch hardly starts sooner after a signal: a workflow task and, for a new session, a work item come first. */
const NOT_YET_MS = 50;

interface Times {
  /** Of the latest delivery, in ms. */
  deliveredAt: number;
  /** Until then no watch is likely, in ms. */
  askFrom: number;
}

export interface AskOptions {
  /** A session that sent nothing for this many ms counts as asleep. If it is not, the only cost is a signal. */
  asleepAfterMs: number;
  recent?: BoundedMap<Times>;
  /** The clock, in ms. */
  now?: () => number;
}

/**
 * @param isWatched asks Temporal
 * @returns the same question, answered with false where a watch is unlikely, and where Temporal does not say. An answer of Temporal
 *   counts for one delivery only: the watch may end before the next.
 */
export function askWhereLikely(
  isWatched: (sessionId: string) => Promise<boolean>,
  { asleepAfterMs, recent = new BoundedMap(), now = () => performance.now() }: AskOptions,
): (sessionId: string) => Promise<boolean> {
  return async (sessionId) => {
    const at = now();
    const before = recent.get(sessionId);
    const isAwake = before && at - before.deliveredAt < asleepAfterMs;
    const times = { deliveredAt: at, askFrom: isAwake ? before.askFrom : at + NOT_YET_MS };
    recent.set(sessionId, times);
    if (at < times.askFrom) return false;
    if (await isWatched(sessionId).catch(() => false)) return true;
    times.askFrom = now() + NOT_YET_MS;
    return false;
  };
}
