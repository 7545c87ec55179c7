/** Serialises the transitions of each sandbox; different sandboxes do not wait for each other. */
export class Locks {
  readonly #queues = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of this id, whether that succeeded or not. Returns its result. */
  run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#queues.get(id) ?? Promise.resolve()).then(work, work);
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        if (this.#queues.get(id) === settled) this.#queues.delete(id);
      });
    this.#queues.set(id, settled);
    return result;
  }

  /** Resolves when all work queued so far for this id has finished, whether it succeeded or not. */
  async idle(id: string): Promise<void> {
    await this.#queues.get(id);
  }

  /** Like `idle`, for all ids. */
  async allIdle(): Promise<void> {
    await Promise.all(this.#queues.values());
  }
}
