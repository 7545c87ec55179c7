// The timers of a session's loop. Each timer is an action that Temporal Cloud bills, and a session waits for its retention
// after every turn: a timer that rings earlier than the wait ends serves as well, for the loop only looks again.
import { CancellationScope, sleep } from '@temporalio/workflow';

export interface Alarm {
  /** Rings at this moment (epoch ms) or earlier; `why` is shown in the UI where a new timer is needed. */
  set(at: number, why: string): void;
}

/** @param ring runs when a timer has fired */
export function createAlarm(ring: () => void): Alarm {
  const pending = new Set<number>();
  const start = async (at: number, why: string): Promise<void> => {
    pending.add(at);
    try {
      await CancellationScope.nonCancellable(() => sleep(Math.max(1, at - Date.now()), { summary: why }));
    } finally {
      pending.delete(at);
      ring();
    }
  };
  return {
    set: (at, why) => {
      if (![...pending].some((other) => other <= at)) void start(at, why);
    },
  };
}
