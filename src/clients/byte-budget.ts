// Limits the memory that this process uses for data from sandboxes: large answers wait for each other.

/**
 * Hands out bytes in the order of requests. A holder of bytes must not wait for more bytes of the same budget, or two
 * holders could wait for each other for ever: BudgetShare takes care of that.
 */
export class ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #waiting: { bytes: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /**
   * Waits for the bytes, at most the whole budget.
   * @returns a function that gives them back
   * @throws the signal's reason if it is aborted first
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    const wanted = Math.min(bytes, this.#total);
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || wanted > this.#free) await this.#wait(wanted, signal);
    else this.#free -= wanted;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#free += wanted;
      this.#grant();
    };
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal.reason);
        // A smaller request behind this one may fit now.
        this.#grant();
      };
      const entry = {
        bytes,
        grant: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#waiting.push(entry);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #grant(): void {
    for (let [first] = this.#waiting; first && first.bytes <= this.#free; [first] = this.#waiting) {
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.grant();
    }
  }
}

/** The bytes that one task holds of a budget: it gives them back before it asks for another amount. */
export class BudgetShare {
  readonly #budget: ByteBudget;
  #release: () => void = () => undefined;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Gives back what it holds and waits for the new amount. @throws the signal's reason if it is aborted first */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.release();
    this.#release = await this.#budget.take(bytes, signal);
  }

  release(): void {
    this.#release();
    this.#release = () => undefined;
  }
}

/** For single answers, which are kept for a moment. */
const answers = new ByteBudget(24 * 1024 * 1024);
/** For listings of folders, which are kept while their files are read. */
const listings = new ByteBudget(24 * 1024 * 1024);

export const shareForAnswer = (): BudgetShare => new BudgetShare(answers);
/** Its holder may wait for an answer's share, but not the other way round. */
export const shareForListing = (): BudgetShare => new BudgetShare(listings);
