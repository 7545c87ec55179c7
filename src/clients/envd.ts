// A client of envd, E2B's agent in a sandbox, for the few calls that we need. The SDK's client cannot be used: it follows
// redirects, and the model can run a program of its own on envd's port.
import { shareForAnswer } from './byte-budget.ts';
import { atMinimumRate } from './minimum-rate.ts';
import { ask, type Port, readJson, unusable } from './sandbox-http.ts';

export const ENVD_PORT = 49983;

const REQUEST_MS = 20_000;
const UPLOAD_MS = 60_000;
const DOWNLOAD_MS = 600_000;
const ANSWER_BYTES = 64 * 1024;
/** Limit for the whole event stream of a command, whose output is not used. */
const STREAM_BYTES = 1024 * 1024;
const MESSAGE_BYTES = 256 * 1024;
const HEAD_BYTES = 5;
const LAST = 2;
const SHELL = '/bin/bash';
const FORM_BOUNDARY = 'managed-agents-router-5cf7b0d2a1';

type Message = { event?: { start?: unknown; end?: { exitCode?: unknown } }; error?: unknown };

export class Envd {
  readonly #port: Port;

  constructor(port: Omit<Port, 'name'>) {
    this.#port = { name: 'envd', ...port };
  }

  /**
   * Runs a command in the user's login shell to its end, at most `timeoutMs`.
   * @returns its exit code as the sandbox claims it: the model may have forged it
   * @throws SandboxHttpError
   */
  run(command: string, user: string, timeoutMs: number, signal?: AbortSignal): Promise<number> {
    return this.#start(
      command,
      user,
      timeoutMs,
      { 'connect-timeout-ms': String(timeoutMs) },
      signal,
      ({ event }) => {
        if (!event?.end) return undefined;
        const { exitCode = 0 } = event.end;
        return typeof exitCode === 'number' ? exitCode : 1;
      },
    );
  }

  /**
   * Starts a command and leaves it running without a connection: an open stream would resume the sandbox as soon as it
   * is paused.
   * @throws SandboxHttpError
   */
  async launch(command: string, user: string, cwd: string, signal?: AbortSignal): Promise<void> {
    await this.#start(
      command,
      user,
      REQUEST_MS,
      {},
      signal,
      ({ event }) => (event?.start ? true : undefined),
      cwd,
    );
  }

  /** Writes a file and creates the folders above it. @throws SandboxHttpError */
  async write(path: string, content: Uint8Array, user: string, signal?: AbortSignal): Promise<void> {
    const part = `--${FORM_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="file"\r\n`;
    const type = 'content-type: application/octet-stream\r\n\r\n';
    const body = Buffer.concat([
      Buffer.from(part + type),
      content,
      Buffer.from(`\r\n--${FORM_BOUNDARY}--\r\n`),
    ]);
    const headers = { ...userHeader(user), 'content-type': `multipart/form-data; boundary=${FORM_BOUNDARY}` };
    const question = {
      method: 'POST',
      path: filePath(path, user),
      headers,
      body,
      limitMs: UPLOAD_MS,
      signal,
    };
    const share = shareForAnswer();
    try {
      await ask(this.#port, question, (answer, signal) =>
        readJson(this.#port, answer, ANSWER_BYTES, share, signal),
      );
    } finally {
      share.release();
    }
  }

  /**
   * Streams a file to `use`, which must read it to its end.
   * @param maxBytes a larger file fails, and one that comes too slowly
   * @throws SandboxHttpError 404 if there is no such file
   */
  read<Result>(
    path: string,
    user: string,
    maxBytes: number,
    use: (content: AsyncIterable<Buffer>) => Promise<Result>,
  ): Promise<Result> {
    const question = {
      method: 'GET',
      path: filePath(path, user),
      headers: userHeader(user),
      limitMs: DOWNLOAD_MS,
    };
    return ask(this.#port, question, ({ chunks }) => {
      const timely = atMinimumRate(chunks, () => unusable(this.#port, 'too slowly'));
      return use(atMost(maxBytes, timely, () => unusable(this.#port, `with more than ${maxBytes} bytes`)));
    });
  }

  /** Whether the file is missing or empty. @throws SandboxHttpError */
  async isEmpty(path: string, user: string, signal?: AbortSignal): Promise<boolean> {
    const question = {
      method: 'GET',
      path: filePath(path, user),
      headers: userHeader(user),
      limitMs: REQUEST_MS,
      signal,
    };
    try {
      return await ask(this.#port, question, async ({ chunks }) => {
        for await (const chunk of chunks) if (chunk.length > 0) return false;
        return true;
      });
    } catch (error) {
      if ((error as { status?: unknown }).status === 404) return true;
      throw error;
    }
  }

  #start<Result>(
    command: string,
    user: string,
    limitMs: number,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
    wanted: (message: Message) => Result | undefined,
    cwd?: string,
  ): Promise<Result> {
    const process = { cmd: SHELL, args: ['-l', '-c', command], ...(cwd ? { cwd } : {}) };
    const question = {
      method: 'POST',
      path: '/process.Process/Start',
      headers: {
        ...userHeader(user),
        ...headers,
        'content-type': 'application/connect+json',
        'connect-protocol-version': '1',
      },
      body: enveloped({ process, stdin: false }),
      limitMs: limitMs + 1_000,
      signal,
    };
    return ask(this.#port, question, async ({ chunks }) => {
      for await (const message of messagesOf(this.#port, chunks)) {
        const found = wanted(message);
        if (found !== undefined) return found;
        if (message.error) throw unusable(this.#port, 'with an error in its stream');
      }
      throw unusable(this.#port, 'with a stream that ends too early');
    });
  }
}

async function* atMost(
  maxBytes: number,
  chunks: AsyncIterable<Buffer>,
  tooMany: () => Error,
): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes) throw tooMany();
    yield chunk;
  }
}

/** Parses the messages of a stream of the Connect protocol: one byte of flags, four bytes of length, JSON. */
async function* messagesOf(port: Port, all: AsyncIterable<Buffer>): AsyncGenerator<Message> {
  let chunks: Buffer[] = [];
  let buffered = 0;
  /** Bytes that must be there before parsing can continue. */
  let needed = HEAD_BYTES;
  let total = 0;
  for await (const chunk of all) {
    total += chunk.length;
    if (total > STREAM_BYTES) throw unusable(port, `with a stream of more than ${STREAM_BYTES} bytes`);
    chunks.push(chunk);
    buffered += chunk.length;
    if (buffered < needed) continue;
    let rest: Buffer = Buffer.concat(chunks);
    for (needed = HEAD_BYTES; rest.length >= HEAD_BYTES; needed = HEAD_BYTES) {
      const size = rest.readUInt32BE(1);
      if (size > MESSAGE_BYTES || (rest.readUInt8(0) & ~LAST) !== 0)
        throw unusable(port, 'with a broken stream');
      needed = HEAD_BYTES + size;
      if (rest.length < needed) break;
      yield messageOf(port, rest.subarray(HEAD_BYTES, needed));
      rest = rest.subarray(needed);
    }
    chunks = [rest];
    buffered = rest.length;
  }
}

function messageOf(port: Port, bytes: Buffer): Message {
  try {
    const message: unknown = JSON.parse(bytes.toString());
    if (typeof message === 'object' && message !== null) return message;
  } catch {
    // Reported below.
  }
  throw unusable(port, 'with a message that is not JSON');
}

function enveloped(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

function filePath(path: string, user: string): string {
  return `/files?${new URLSearchParams({ path, username: user })}`;
}

function userHeader(user: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` };
}
