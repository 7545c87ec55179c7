// Sends HTTP requests to the ports of a sandbox, where the model's own programs may answer: it follows no redirect,
// decompresses nothing, and limits each answer in bytes and in time. It uses Node's HTTP client, because fetch follows
// redirects and decompresses by default.
import {
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BudgetShare } from './byte-budget.ts';
import { excerpt } from './excerpt.ts';
import { IDLE_CONNECTION_MS, keepingAtMost } from './idle-connections.ts';

/** A port of a sandbox. */
export interface Port {
  /** What should answer there, for error messages: "the toolhost". */
  name: string;
  origin: string;
  /** Headers for routing and access; their values never appear in error messages. */
  headers: Record<string, string>;
}

export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Time limit in milliseconds for the whole answer. */
  limitMs: number;
  signal?: AbortSignal | undefined;
}

/** The program on the port refused, did not answer, or answered something unusable. */
export class SandboxHttpError extends Error {
  override name = 'SandboxHttpError';
  /** HTTP status of the refusal; 0 if there was no answer or an unusable one. */
  readonly status: number;
  /** It answered in a way that our programs never do: with a redirect, too many bytes, another shape. */
  readonly unusable: boolean;

  constructor(status: number, message: string, { unusable = false, cause }: ErrorDetails = {}) {
    super(message, { cause });
    this.status = status;
    this.unusable = unusable;
  }
}

export interface Answer {
  headers: IncomingHttpHeaders;
  chunks: AsyncIterable<Buffer>;
}

interface ErrorDetails {
  unusable?: boolean;
  cause?: unknown;
}

/** What an answer may pile up while it waits for its share: in chunks of one byte, each byte takes hundreds in memory. */
const UNREAD_BYTES = 4 * 1024;
const AGENT = { keepAlive: true, timeout: IDLE_CONNECTION_MS, highWaterMark: UNREAD_BYTES };
/** Each sandbox has a host of its own, and an idle connection with TLS takes a tenth of a MiB. */
const MOST_IDLE = 256;
const agents = {
  http: keepingAtMost(MOST_IDLE, new HttpAgent(AGENT)),
  https: keepingAtMost(MOST_IDLE, new HttpsAgent(AGENT)),
};
/** Maximum number of 1xx answers before the final one. */
const MAX_INFORMATION = 5;
const MAX_REFUSAL_BYTES = 4 * 1024;
/** Larger bodies are sent in pieces, because TLS would copy the whole body at once. */
const PIECE_BYTES = 64 * 1024;
/** Answers up to this size need no share of the byte budget. */
const SMALL_BYTES = 192 * 1024;
const FIRST_BYTES = 4 * 1024;
/** Maximum number of values in a JSON text, because a small text can become a large object. */
const MAX_VALUES = 100_000;

/**
 * Sends a request and, if the status is 2xx, lets `read` consume the answer.
 * @returns what `read` returns
 * @throws SandboxHttpError, or the reason of the question's signal if that is aborted
 */
export async function ask<Result>(
  port: Port,
  question: Question,
  read: (answer: Answer, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const timeout = AbortSignal.timeout(question.limitMs);
  const signal = question.signal ? AbortSignal.any([question.signal, timeout]) : timeout;
  const failure = (error: unknown): unknown => {
    if (question.signal?.aborted) return question.signal.reason;
    if (error instanceof SandboxHttpError) return error;
    const cause = timeout.aborted ? new Error(`no end within ${question.limitMs} ms`) : error;
    return new SandboxHttpError(0, `${port.name} does not answer: ${excerpt(messageOf(cause))}`, { cause });
  };
  let answer: IncomingMessage | undefined;
  try {
    answer = await send(port, question, signal).catch((error: unknown) => {
      throw failure(error);
    });
    const chunks = chunksOf(answer, failure);
    await checkHead(port, answer, chunks);
    return await read({ headers: answer.headers, chunks }, signal);
  } finally {
    // An answer that was not read to its end would keep its socket.
    if (answer && !answer.readableEnded) answer.destroy();
  }
}

/**
 * Reads the whole answer as JSON. A large answer first waits for its share of the byte budget; the caller releases it.
 * @throws SandboxHttpError with `unusable` if it is too large or not JSON
 */
export async function readJson(
  port: Port,
  { chunks }: Answer,
  maxBytes: number,
  share: BudgetShare,
  signal: AbortSignal,
): Promise<unknown> {
  // Collected in one buffer: an array of one-byte chunks would take a hundred times their size.
  let buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let size = 0;
  try {
    for await (const chunk of chunks) {
      if (size <= SMALL_BYTES && size + chunk.length > SMALL_BYTES) await share.take(maxBytes, signal);
      if (size + chunk.length > maxBytes) throw unusable(port, `with more than ${maxBytes} bytes`);
      if (size + chunk.length > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(size + chunk.length, buffer.length * 2));
        buffer.copy(larger, 0, 0, size);
        free(buffer);
        buffer = larger;
      }
      chunk.copy(buffer, size);
      size += chunk.length;
    }
    const bytes = buffer.subarray(0, size);
    if (size > MAX_VALUES && valuesIn(bytes) > MAX_VALUES) throw unusable(port, 'with too many values');
    return parse(port, bytes.toString());
  } finally {
    free(buffer);
  }
}

function parse(port: Port, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unusable(port, 'with something that is not JSON');
  }
}

/** Gives the memory back at once: until the next garbage collection a flood of answers would add up to hundreds of MiB. */
function free(buffer: Buffer<ArrayBuffer>): void {
  buffer.buffer.transfer(0);
}

/** The error for an unusable answer. @param how completes the sentence "<name> answers …" */
export function unusable(port: Port, how: string): SandboxHttpError {
  return new SandboxHttpError(0, `${port.name} answers ${how}`, { unusable: true });
}

/** Resolves with the head of the final answer; its body is not read yet. */
function send(port: Port, question: Question, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, path, body } = question;
  const url = new URL(path, port.origin);
  const secure = url.protocol === 'https:';
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const headers = {
    ...port.headers,
    ...question.headers,
    'accept-encoding': 'identity',
    ...(bytes ? { 'content-length': bytes.length } : {}),
  };
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal, agent: secure ? agents.https : agents.http };
    const request = secure ? requestHttps(url, options) : requestHttp(url, options);
    let information = 0;
    request.on('information', () => {
      information += 1;
      if (information > MAX_INFORMATION) request.destroy(unusable(port, 'with no end of 1xx'));
    });
    request.once('response', resolve);
    request.on('error', reject);
    request.once('close', () => reject(new Error('the connection was closed')));
    if (!bytes) request.end();
    else if (bytes.length <= PIECE_BYTES) request.end(bytes);
    // The request reports the same error.
    else pipeline(Readable.from(piecesOf(bytes)), request).catch(() => undefined);
  });
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** The body, chunk by chunk. Errors of the connection are converted, so that they differ from errors of the reader. */
async function* chunksOf(
  answer: IncomingMessage,
  failure: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  const source = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const next = await source.next().catch((error: unknown) => {
        throw failure(error);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    answer.destroy();
  }
}

/** Throws unless the status is 2xx and the body is not encoded. */
async function checkHead(
  port: Port,
  { statusCode: status = 0, headers }: IncomingMessage,
  chunks: AsyncIterable<Buffer>,
): Promise<void> {
  if (status >= 300 && status < 400)
    throw new SandboxHttpError(status, `${port.name} answers ${status}: a redirect, which is not followed`, {
      unusable: true,
    });
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw unusable(port, 'in an encoding that it was not asked for');
  if (status >= 200 && status < 300) return;
  const text = await beginningOf(chunks);
  throw new SandboxHttpError(status, `${port.name} answers ${status}: ${withoutSecrets(port, text)}`);
}

async function beginningOf(all: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of all) {
    chunks.push(chunk.subarray(0, MAX_REFUSAL_BYTES));
    size += chunk.length;
    if (size >= MAX_REFUSAL_BYTES) break;
  }
  return Buffer.concat(chunks).toString();
}

/** Removes header values from a refusal: the program on the port has seen them and may echo them. */
function withoutSecrets({ headers }: Port, text: string): string {
  let clean = excerpt(text, MAX_REFUSAL_BYTES);
  for (const value of Object.values(headers)) if (value.length >= 8) clean = clean.replaceAll(value, '…');
  return excerpt(clean, 300);
}

/** An upper bound of the values in a JSON text, without parsing it: counts commas and opening brackets outside strings. */
function valuesIn(bytes: Uint8Array): number {
  let values = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === 0x22) inString = !inString;
    else if (inString) {
      if (byte === 0x5c) at += 1;
    } else if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values += 1;
  }
  return values;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
