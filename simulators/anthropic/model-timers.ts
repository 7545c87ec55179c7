/** One timer per thread, for the next step of its model. */
import type { Clock, ClockTimer } from '../common/clock.ts';

/** Interval between checks for a file, in real milliseconds. */
const RECHECK_MS = 50;

export class Timers {
  readonly #clock: Clock;
  readonly #timers = new Map<string, ClockTimer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back after `ms` of the simulator's clock; replaces the thread's earlier timer. */
  set(id: string, ms: number, callback: () => void): void {
    this.clear(id);
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(id);
      callback();
    }, ms);
    this.#timers.set(id, timer);
  }

  /** Calls back after a short real time, whatever the speed of the simulator's clock. */
  recheckSoon(id: string, callback: () => void): void {
    this.clear(id);
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      callback();
    }, RECHECK_MS);
    this.#timers.set(id, { clear: () => clearTimeout(timer) });
  }

  clear(id: string): void {
    this.#timers.get(id)?.clear();
    this.#timers.delete(id);
  }

  clearAll(): void {
    for (const id of [...this.#timers.keys()]) this.clear(id);
  }
}
