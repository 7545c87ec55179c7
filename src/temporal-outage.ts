// Logs one line when Temporal stops answering and one when it answers again, however many calls fail meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './log.ts';

const PROBE_EVERY_MS = 1_000;
/** Calls that failed during an outage may be reported after its end. */
const LATE_REPORTS_MS = 10_000;

export class TemporalOutage {
  readonly #log: Logger;
  readonly #probe: () => Promise<unknown>;
  #isDown = false;
  #backAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  /** @param probe resolves if Temporal answers */
  constructor(log: Logger, probe: () => Promise<unknown>) {
    this.#log = log;
    this.#probe = probe;
  }

  /** A call has failed because Temporal did not answer. */
  report(reason: string): void {
    if (this.#isDown || this.#stopped || Date.now() - this.#backAt < LATE_REPORTS_MS) return;
    this.#isDown = true;
    this.#log.warn(
      { reason },
      'Temporal does not answer; work goes on when it does. If this lasts, check TEMPORAL_ADDRESS',
    );
    void this.#untilBack(Date.now());
  }

  /** Ends the wait for Temporal. */
  stop(): void {
    this.#stopped = true;
  }

  async #untilBack(since: number): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#probe();
        this.#isDown = false;
        this.#backAt = Date.now();
        this.#log.info({ seconds: Math.round((this.#backAt - since) / 1000) }, 'Temporal answers again');
        return;
      } catch {
        await sleep(PROBE_EVERY_MS, undefined, { ref: false });
      }
    }
  }
}
