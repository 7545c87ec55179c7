// Client of the toolhost, the program in a sandbox that runs its tool calls at most once each.
import { deadline } from './deadline.ts';

/** Time over and above what we ask the toolhost to wait, after which the connection counts as dead. */
const SLACK_MS = 10_000;

export interface ToolhostCall {
  id: string;
  name: string;
  state: 'running' | 'finished' | 'cancelled' | 'cut_off';
  bootId: string;
  result?: { content: { type: 'text'; text: string }[]; isError: boolean };
}

export interface ToolhostHealth {
  version: string | number;
  bootId: string;
}

/** The toolhost, or the way to it, answered with an error. `status` 0: no answer at all. */
export class ToolhostError extends Error {
  override name = 'ToolhostError';
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

export class Toolhost {
  readonly #origin: string;
  readonly #headers: Record<string, string>;

  constructor(origin: string, headers: Record<string, string>) {
    this.#origin = origin;
    this.#headers = headers;
  }

  health(signal?: AbortSignal): Promise<ToolhostHealth> {
    return this.#request('GET', '/health', undefined, 0, signal);
  }

  /** Starts the call, or attaches to it if its id is known; waits at most `waitMs` for its end. */
  start(
    id: string,
    call: { name: string; input: unknown; timeoutMs: number },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ToolhostCall> {
    return this.#request('PUT', `/calls/${id}?wait_ms=${waitMs}`, call, waitMs, signal);
  }

  /** Waits at most `waitMs` for the end of a call that was started. */
  read(id: string, waitMs: number, signal: AbortSignal): Promise<ToolhostCall> {
    return this.#request('GET', `/calls/${id}?wait_ms=${waitMs}`, undefined, waitMs, signal);
  }

  /** Ends a running call and all it started; an id that never ran never will. */
  cancel(id: string, signal?: AbortSignal): Promise<ToolhostCall> {
    return this.#request('POST', `/calls/${id}/cancel`, undefined, 0, signal);
  }

  async #request<Answer>(
    method: string,
    path: string,
    body: unknown,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const limit = deadline(waitMs + SLACK_MS, signal);
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(new URL(path, this.#origin), {
        method,
        headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: limit.signal,
      });
      text = await answer.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw new ToolhostError(0, `the toolhost does not answer: ${messageOf(error)}`, error);
    } finally {
      limit.clear();
    }
    if (!answer.ok)
      throw new ToolhostError(answer.status, `the toolhost answers ${answer.status}: ${text.slice(0, 300)}`);
    try {
      return JSON.parse(text) as Answer;
    } catch (error) {
      throw new ToolhostError(0, 'the toolhost answered something that is not JSON', error);
    }
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
