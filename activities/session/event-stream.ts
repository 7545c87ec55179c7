// A session's event stream, read so that silence is noticed: the SDK's own reader hides the keep-alives, and without
// them a connection that has died looks like a session in which nothing happens.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { ServerSentEvents } from './server-sent-events.ts';

export type NextOnStream =
  | BetaManagedAgentsSessionEvent
  /** Nothing came for a while, on a stream whose keep-alives are not known: it may be dead or not. */
  | 'quiet'
  /** Keep-alives are missing: the connection is dead. */
  | 'silent'
  | 'ended';

/** Keep-alives that arrive closer together were delayed on their way. */
const SHORTEST_INTERVAL_MS = 500;
const INTERVALS_OF_SILENCE = 3;

export class EventStream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new ServerSentEvents();
  readonly #waiting: BetaManagedAgentsSessionEvent[] = [];
  #reading: ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']> | null = null;
  #keptAliveAt: number | null = null;
  /** Shortest pause between two keep-alives of this stream; null until two have come. */
  #intervalMs: number | null = null;

  private constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  static async open(client: Anthropic, sessionId: string, signal: AbortSignal): Promise<EventStream> {
    const { body } = await client.beta.sessions.events.stream(sessionId, {}, { signal }).asResponse();
    if (!body) throw new Error('the event stream has no body');
    return new EventStream(body);
  }

  /** @param quietMs after this long without a byte a stream without known keep-alives is `quiet` */
  async next(quietMs: number): Promise<NextOnStream> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event) return event;
      this.#reading ??= this.#reader.read();
      const limitMs = this.#intervalMs === null ? quietMs : this.#intervalMs * INTERVALS_OF_SILENCE;
      const chunk = await within(limitMs, this.#reading);
      if (chunk === 'late') return this.#intervalMs === null ? 'quiet' : 'silent';
      this.#reading = null;
      if (chunk.done || !chunk.value) return 'ended';
      this.#take(chunk.value);
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#reading?.catch(() => undefined);
    this.#reader.cancel().catch(() => undefined);
  }

  #take(bytes: Uint8Array): void {
    for (const { event, data } of this.#decoder.push(bytes)) {
      if (event === 'ping' || data === null) this.#keptAlive(Date.now());
      else if (event === 'error') throw new Error('the event stream broke off with an error');
      else this.#receive(data);
    }
  }

  #receive(data: string): void {
    const event: unknown = JSON.parse(data);
    // Previews of events have no id.
    const { id, type } = (event ?? {}) as { id?: unknown; type?: unknown };
    if (typeof id === 'string' && typeof type === 'string')
      this.#waiting.push(event as BetaManagedAgentsSessionEvent);
  }

  #keptAlive(now: number): void {
    const intervalMs = this.#keptAliveAt === null ? 0 : now - this.#keptAliveAt;
    this.#keptAliveAt = now;
    if (intervalMs < SHORTEST_INTERVAL_MS) return;
    this.#intervalMs = Math.min(intervalMs, this.#intervalMs ?? intervalMs);
  }
}

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late');
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
