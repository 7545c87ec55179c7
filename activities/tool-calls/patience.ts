// How long a tool call may keep the router waiting, by the router's own clock, whatever its sandbox says.
//
// What counts is the time that workers have spent on the sandbox of the call, carried from attempt to attempt in the
// heartbeats. The time since the activity was scheduled would also count hours without a worker or with E2B's control
// plane down, after which the result of a call that has long ended is still there to be fetched.
import type { SandboxHttpError } from '../../src/clients/sandbox-http.ts';

/** Over and above the call's own limit. */
const MARGIN_MS = 60_000;
/** What a failed try counts: the pause that follows it, in this attempt or before the next. */
const FAILURE_MS = 5_000;
/** Limit of answers that no toolhost gives. */
const MAX_UNUSABLE = 8;

/** The sandbox has had its time. */
export class PatienceOver extends Error {
  override name = 'PatienceOver';
}

export class Patience {
  readonly #limitMs: number;
  #waitedMs: number;
  #unusable: number;

  /** @param details of the last heartbeat of the attempt before */
  constructor(timeoutMs: number, details: unknown) {
    const { waitedMs, unusable } = (details ?? {}) as { waitedMs?: unknown; unusable?: unknown };
    this.#limitMs = timeoutMs + MARGIN_MS;
    this.#waitedMs = typeof waitedMs === 'number' ? waitedMs : 0;
    this.#unusable = typeof unusable === 'number' ? unusable : 0;
  }

  get details(): { waitedMs: number; unusable: number } {
    return { waitedMs: Math.round(this.#waitedMs), unusable: this.#unusable };
  }

  /** Counts the time that the work takes. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#waitedMs += performance.now() - startedAt;
    }
  }

  /** @throws PatienceOver */
  check(): void {
    if (this.#waitedMs < this.#limitMs) return;
    throw new PatienceOver(`its sandbox did not end it within ${Math.round(this.#limitMs / 1000)} s`);
  }

  /** Counts a failed try. @throws PatienceOver if there is to be no other */
  failed(error: SandboxHttpError): void {
    this.#waitedMs += FAILURE_MS;
    if (error.unusable) this.#unusable += 1;
    if (this.#unusable >= MAX_UNUSABLE)
      throw new PatienceOver(`its sandbox gives no usable answer: ${error.message}`, { cause: error });
    this.check();
  }
}
