/** Timers for the time-outs of running sandboxes. */
import type { Clock, ClockTimer } from '../common/clock.ts';
import type { SandboxRecord } from './record.ts';

export class ExpiryTimers {
  readonly #clock: Clock;
  readonly #expire: (id: string) => void;
  readonly #timers = new Map<string, ClockTimer>();

  /** Calls `expire` at the `endAt` of a sandbox. */
  constructor(clock: Clock, expire: (id: string) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Sets the timer to the record's `endAt`, or clears it if the sandbox does not run. */
  arm({ id, state, endAt }: SandboxRecord): void {
    this.disarm(id);
    if (state !== 'running') return;
    const timer = this.#clock.setTimeout(() => this.#expire(id), endAt - this.#clock.now());
    this.#timers.set(id, timer);
  }

  disarm(id: string): void {
    this.#timers.get(id)?.clear();
    this.#timers.delete(id);
  }

  disarmAll(): void {
    for (const id of [...this.#timers.keys()]) this.disarm(id);
  }
}
