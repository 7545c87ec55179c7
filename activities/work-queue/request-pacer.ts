// A limit on requests for work that is not urgent: a few at once, then evenly spread.
import { Context } from '@temporalio/activity';
import { sleep } from '../sleep.ts';

/** This many requests need not wait, so that small environments notice nothing. */
const AT_ONCE = 60;

export class RequestPacer {
  readonly #spacingMs: number;
  /** Epoch ms at which the next request is due if all are evenly spread. */
  #due: number;

  constructor(perMinute: number) {
    this.#spacingMs = 60_000 / perMinute;
    this.#due = Date.now() - AT_ONCE * this.#spacingMs;
  }

  /** Resolves when one more request may go out. Throws when the activity is cancelled meanwhile. */
  async next(): Promise<void> {
    this.#due += this.#spacingMs;
    const waitMs = this.#due - Date.now();
    if (waitMs > 0) await sleep(waitMs, Context.current().cancellationSignal);
  }
}
