// How often the events of quiet sessions are listed, over all sessions of a process: a thousand of them must not use up
// the organisation's limit, 1,200 reading requests a minute.

const PER_MINUTE = 200;
const AT_ONCE = 20;
const QUIET_MS = 30_000;

export class QuietListings {
  readonly #perMs: number;
  readonly #quietMs: number;
  #left = AT_ONCE;
  #at = Date.now();

  /** @param quietMs how long a stream says nothing before a listing is wanted */
  constructor(perMinute = PER_MINUTE, quietMs = QUIET_MS) {
    this.#perMs = perMinute / 60_000;
    this.#quietMs = quietMs;
  }

  /** Differs every time, so that sessions do not list at the same moment. */
  get quietMs(): number {
    return this.#quietMs * (0.75 + Math.random() / 2);
  }

  /** Whether one more listing may be made now; if not, the session tries after the next quiet time. */
  take(now = Date.now()): boolean {
    this.#left = Math.min(AT_ONCE, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
