/**
 * A clock that tests can speed up or push forward, so that they need not wait for a simulator's leases, time-outs and
 * retries. Times are milliseconds since the epoch, like those of `Date.now()`.
 */

/** A clock's virtual time at one real time, with its speed; another process can continue the clock from it. */
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

/** The end of the year 9999: RFC 3339 has no form for later times. */
const LAST_MS = 253_402_300_799_999;
/** The longest delay that Node's timers take. */
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

  /** The current time as an RFC 3339 string with milliseconds. */
  iso(): string {
    return new Date(this.now()).toISOString();
  }

  state(): ClockState {
    return { ...this.#state };
  }

  /** Runs the clock `speed` times as fast as the real one. */
  setSpeed(speed: number): void {
    if (!(Number.isFinite(speed) && speed > 0)) throw new RangeError('speed must be a positive number');
    this.#state = { virtual: this.now(), real: Date.now(), speed };
    this.#arm();
  }

  /** Jumps forward; timers that become due run at once, in order. */
  advance(ms: number): void {
    if (!(ms >= 0 && this.now() + ms <= LAST_MS)) {
      throw new RangeError('advanceMs must be zero or more, and end before the year 10000');
    }
    this.#state = { ...this.#state, virtual: this.#state.virtual + ms };
    this.#arm();
  }

  /** Like the global `setTimeout`, but `ms` are milliseconds of this clock. */
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

  /** Cancels all timers. */
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
