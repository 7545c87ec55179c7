// A budget of memory for what is read from sandboxes, shared by the whole process: large answers wait for each other.

/** Hands out bytes in order of asking. Who holds bytes must not wait for more of the same budget: see Hold. */
export class ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #waiting: { bytes: number; go: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /**
   * Resolves when the bytes are ours, until the returned function is called.
   * @throws the signal's reason when it is aborted first
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    const wanted = Math.min(bytes, this.#total);
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || wanted > this.#free) await this.#turn(wanted, signal);
    else this.#free -= wanted;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#free += wanted;
      this.#serve();
    };
  }

  #turn(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal.reason);
        // A smaller wish behind this one may fit now.
        this.#serve();
      };
      const entry = {
        bytes,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#waiting.push(entry);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #serve(): void {
    for (let [first] = this.#waiting; first && first.bytes <= this.#free; [first] = this.#waiting) {
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.go();
    }
  }
}

/** The share of one piece of work in a budget: one amount at a time, given back before the next is asked for. */
export class Hold {
  readonly #budget: ByteBudget;
  #release: () => void = () => undefined;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.release();
    this.#release = await this.#budget.take(bytes, signal);
  }

  release(): void {
    this.#release();
    this.#release = () => undefined;
  }
}

/** Of what is read from sandboxes and held for a moment, and of the lists of folders, which are held for longer. */
const pieces = new ByteBudget(32 * 1024 * 1024);
const lists = new ByteBudget(24 * 1024 * 1024);

export const holdOfPieces = (): Hold => new Hold(pieces);
/** What holds a list may wait for pieces, never the other way round. */
export const holdOfLists = (): Hold => new Hold(lists);
