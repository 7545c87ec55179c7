/** One timer per thread: when the model takes its next step. */
import type { Clock, ClockTimer } from '../common/clock.ts';

/** How often something outside is looked for; in real milliseconds. */
const LOOK_MS = 50;

export class Timers {
  readonly #clock: Clock;
  readonly #timers = new Map<string, ClockTimer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once `ms` of the simulator's time have passed; takes the place of the timer that was there. */
  set(id: string, ms: number, callback: () => void): void {
    this.clear(id);
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(id);
      callback();
    }, ms);
    this.#timers.set(id, timer);
  }

  /** Calls back after a moment of real time. */
  look(id: string, callback: () => void): void {
    this.clear(id);
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      callback();
    }, LOOK_MS);
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
