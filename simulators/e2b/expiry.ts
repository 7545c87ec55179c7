/** The end of each running sandbox by time. */
import type { Clock, ClockTimer } from '../common/clock.ts';
import type { SandboxRecord } from './record.ts';

export class ExpiryTimers {
  readonly #clock: Clock;
  readonly #expire: (id: string) => void;
  readonly #timers = new Map<string, ClockTimer>();

  /** `expire` is called when a sandbox's `endAt` has come. */
  constructor(clock: Clock, expire: (id: string) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Watches the end that the record names now; none unless the sandbox runs. */
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
