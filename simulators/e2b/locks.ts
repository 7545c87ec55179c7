/** Transitions of one sandbox happen one after the other; those of different sandboxes do not wait for each other. */
export class Locks {
  readonly #held = new Map<string, Promise<unknown>>();

  /** Runs `work` when all that was asked for before is done, and gives its result. Fails only as `work` does. */
  run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#held.get(id) ?? Promise.resolve()).then(work, work);
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        if (this.#held.get(id) === settled) this.#held.delete(id);
      });
    this.#held.set(id, settled);
    return result;
  }

  /** Resolves when what was asked for until now is done, well or not. */
  async idle(id: string): Promise<void> {
    await this.#held.get(id);
  }

  /** The same for all. */
  async allIdle(): Promise<void> {
    await Promise.all(this.#held.values());
  }
}
