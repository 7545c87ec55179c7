/**
 * A clock that tests can speed up or push forward, so that leases, time-outs and retries of a simulator
 * pass in compressed time. Times are milliseconds since the epoch, as `Date.now()` gives them.
 */

/** Where a clock stood at one moment; enough to go on from there in another process. */
export interface ClockState {
  virtual: number;
  real: number;
  speed: number;
}

/** A pending callback of a clock. */
export interface ClockTimer {
  clear(): void;
}

interface Entry {
  due: number;
  callback: () => void;
}

/** The end of the year 9999: times after it are not written in the same form. */
const LAST_MS = 253_402_300_799_999;
/** Node's timers take no longer delay than this. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class Clock {
  #state: ClockState;
  readonly #entries = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(state?: ClockState) {
    const real = Date.now();
    this.#state = state ?? { virtual: real, real, speed: 1 };
  }

  now(): number {
    return Math.floor(this.#state.virtual + (Date.now() - this.#state.real) * this.#state.speed);
  }

  /** The present as an RFC 3339 string with milliseconds. */
  iso(): string {
    return new Date(this.now()).toISOString();
  }

  state(): ClockState {
    return { ...this.#state };
  }

  /** Runs the clock `speed` times as fast as the real one; must be a positive number. */
  setSpeed(speed: number): void {
    if (!(Number.isFinite(speed) && speed > 0)) throw new RangeError('speed must be a positive number');
    this.#state = { virtual: this.now(), real: Date.now(), speed };
    this.#arm();
  }

  /** Jumps forward; everything that falls due in between runs at once, in order. */
  advance(ms: number): void {
    if (!(ms >= 0 && this.now() + ms <= LAST_MS)) {
      throw new RangeError('advanceMs must be zero or more, and end before the year 10000');
    }
    this.#state = { ...this.#state, virtual: this.#state.virtual + ms };
    this.#arm();
  }

  /** Calls back once `ms` of this clock's time have passed. */
  setTimeout(callback: () => void, ms: number): ClockTimer {
    const entry: Entry = { due: this.now() + Math.max(0, ms), callback };
    this.#entries.add(entry);
    this.#arm();
    return {
      clear: () => {
        if (this.#entries.delete(entry)) this.#arm();
      },
    };
  }

  /** Resolves after `ms` of this clock's time, or at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        timer.clear();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = this.setTimeout(finish, ms);
      signal?.addEventListener('abort', finish, { once: true });
    });
  }

  /** Drops every pending callback. */
  close(): void {
    this.#entries.clear();
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) next = Math.min(next, entry.due);
    if (next === Number.POSITIVE_INFINITY) return;
    const delay = Math.ceil(Math.max(0, next - this.now()) / this.#state.speed);
    this.#timer = setTimeout(() => this.#fire(), Math.min(delay, MAX_DELAY_MS));
  }

  #fire(): void {
    const now = this.now();
    const due = [...this.#entries].filter((entry) => entry.due <= now).sort((a, b) => a.due - b.due);
    for (const entry of due) {
      // An earlier callback may have cleared this one.
      if (this.#entries.delete(entry)) entry.callback();
    }
    this.#arm();
  }
}
