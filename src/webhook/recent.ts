// What is remembered of the sessions that sent the latest deliveries. Nothing depends on it but the time of an answer.

const REMEMBERED = 10_000;

/** By session, those that were set the longest time ago out first. */
export class Recent<Value> {
  readonly #values = new Map<string, Value>();
  readonly #limit: number;

  constructor(limit = REMEMBERED) {
    this.#limit = limit;
  }

  get(sessionId: string): Value | undefined {
    return this.#values.get(sessionId);
  }

  set(sessionId: string, value: Value): void {
    this.#values.delete(sessionId);
    this.#values.set(sessionId, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#limit) break;
      this.#values.delete(oldest);
    }
  }
}
