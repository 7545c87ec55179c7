// Server-sent events out of the bytes of a response, bounded in size. https://html.spec.whatwg.org/#parsing-an-event-stream

export interface ServerSentEvent {
  event: string | null;
  /** Null for a comment, which is what servers send to keep a connection alive. */
  data: string | null;
}

/** A request's body, and so an event, is at most 32 MB. */
const EVENT_CHARS = 40_000_000;

export class ServerSentEvents {
  readonly #decoder = new TextDecoder();
  /** The pieces of a line that has not ended. */
  #line: string[] = [];
  #chars = 0;
  #afterReturn = false;
  #event: string | null = null;
  #data: string[] = [];

  /** @throws an error for an event that is too large */
  push(bytes: Uint8Array): ServerSentEvent[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#afterReturn && text.startsWith('\n')) text = text.slice(1);
    if (text !== '') this.#afterReturn = text.endsWith('\r');
    const events: ServerSentEvent[] = [];
    const [rest = '', ...whole] = text.split(/\r\n|\r|\n/);
    this.#grow(rest);
    for (const next of whole) {
      const line = this.#line.join('');
      this.#line = [];
      this.#take(line, events);
      this.#grow(next);
    }
    return events;
  }

  #grow(piece: string): void {
    this.#chars += piece.length;
    if (this.#chars > EVENT_CHARS) throw new Error('an event of the stream is too large');
    this.#line.push(piece);
  }

  #take(line: string, events: ServerSentEvent[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push({ event: this.#event, data: this.#data.join('\n') });
      this.#event = null;
      this.#data = [];
      this.#chars = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) {
      this.#chars -= line.length;
      events.push({ event: null, data: null });
      return;
    }
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
  }
}
