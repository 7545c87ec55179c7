// Values that a process knows only for a time: another process may have a newer one, or have ended what they are about.

export class Recent<Value> {
  readonly #entries = new Map<string, { value: Value; until: number }>();

  /** @param keepMs the value is forgotten unless it is set again within this time */
  set(key: string, value: Value, keepMs: number): void {
    this.#entries.set(key, { value, until: Date.now() + keepMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Those that are not forgotten. */
  all(): [key: string, value: Value][] {
    const now = Date.now();
    for (const [key, { until }] of this.#entries) if (until <= now) this.#entries.delete(key);
    return [...this.#entries].map(([key, { value }]) => [key, value]);
  }
}
