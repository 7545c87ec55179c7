// What the webhook server remembers of sessions. It may forget: then a delivery costs Temporal more, and nothing is lost.

const REMEMBERED = 10_000;

/** A map by session id. When it is full, the entry that was set the longest time ago is dropped. */
export class BoundedMap<Value> {
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
