// HTTP to the ports of a sandbox, where anything may answer: no redirect is followed, nothing is decompressed, and
// each answer is bounded in bytes and in time. Node's own client does none of that by itself, unlike fetch.
import {
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Hold } from './byte-budget.ts';
import { deadline } from './deadline.ts';
import { excerpt } from './excerpt.ts';

/** A port of a sandbox. */
export interface Port {
  /** In errors: "the toolhost". */
  name: string;
  origin: string;
  /** For routing and access; their values are kept out of errors. */
  headers: Record<string, string>;
}

export interface Question {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** For the whole answer. */
  limitMs: number;
  signal?: AbortSignal | undefined;
}

/** What answered on the port refused, or was of no use. `status` 0: no answer at all, or none that can be used. */
export class SandboxHttpError extends Error {
  override name = 'SandboxHttpError';
  readonly status: number;
  /** It answered, but with what no program of ours says: a redirect, too much, another shape. */
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

/** Sockets that were idle for longer may have been closed by a proxy on the way. */
const IDLE_SOCKET_MS = 4_000;
const AGENT = { keepAlive: true, timeout: IDLE_SOCKET_MS };
const agents = { http: new HttpAgent(AGENT), https: new HttpsAgent(AGENT) };
/** Answers of 1xx before the real one. */
const MAX_INFORMATION = 5;
const MAX_REFUSAL_BYTES = 4 * 1024;
/** Larger bodies go in pieces, as fast as they are taken: TLS would copy them whole. */
const PIECE_BYTES = 64 * 1024;
/** Up to here an answer needs no share of the budget. */
export const SMALL_BYTES = 192 * 1024;
const FIRST_BYTES = 4 * 1024;
/** Values in a JSON text: a small text can become a large object. */
const MAX_VALUES = 100_000;

/**
 * Asks, and has the answer read by `read` if its status is one of success.
 * @throws SandboxHttpError, or the reason of the question's signal
 */
export async function ask<Result>(
  port: Port,
  question: Question,
  read: (answer: Answer, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = deadline(question.limitMs, question.signal);
  const failure = (error: unknown): unknown => {
    if (question.signal?.aborted) return question.signal.reason;
    if (error instanceof SandboxHttpError) return error;
    const cause = limit.signal.aborted ? limit.signal.reason : error;
    return new SandboxHttpError(0, `${port.name} does not answer: ${excerpt(messageOf(cause))}`, { cause });
  };
  let answer: IncomingMessage | undefined;
  try {
    answer = await head(port, question, limit.signal).catch((error: unknown) => {
      throw failure(error);
    });
    const chunks = chunksOf(answer, failure);
    await check(port, answer, chunks);
    return await read({ headers: answer.headers, chunks }, limit.signal);
  } finally {
    limit.clear();
    // What was not read to its end never will be.
    if (answer && !answer.readableEnded) answer.destroy();
  }
}

/** The whole answer as JSON. What is large waits for its share of the budget, and holds it until it is released. */
export async function readJson(
  port: Port,
  { chunks }: Answer,
  maxBytes: number,
  hold: Hold,
  signal: AbortSignal,
): Promise<unknown> {
  // Copied together as it comes: chunks of a byte each would take a hundred times their size.
  let buffer = Buffer.allocUnsafe(FIRST_BYTES);
  let size = 0;
  for await (const chunk of chunks) {
    if (size <= SMALL_BYTES && size + chunk.length > SMALL_BYTES) await hold.take(maxBytes, signal);
    if (size + chunk.length > maxBytes) throw unusable(port, `with more than ${maxBytes} bytes`);
    if (size + chunk.length > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(size + chunk.length, buffer.length * 2));
      buffer.copy(larger, 0, 0, size);
      buffer = larger;
    }
    chunk.copy(buffer, size);
    size += chunk.length;
  }
  const bytes = buffer.subarray(0, size);
  if (size > MAX_VALUES && valuesIn(bytes) > MAX_VALUES) throw unusable(port, 'with too many values');
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw unusable(port, 'with something that is not JSON');
  }
}

export function unusable(port: Port, how: string): SandboxHttpError {
  return new SandboxHttpError(0, `${port.name} answers ${how}`, { unusable: true });
}

function head(port: Port, question: Question, signal: AbortSignal): Promise<IncomingMessage> {
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
    // Its error is the request's.
    else pipeline(Readable.from(piecesOf(bytes)), request).catch(() => undefined);
  });
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** The body as it comes. Its errors are ours, so that those of its reader can be told from them. */
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

async function check(
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

/** What answers has seen the headers of the request, and may say them. */
function withoutSecrets({ headers }: Port, text: string): string {
  let clean = excerpt(text, MAX_REFUSAL_BYTES);
  for (const value of Object.values(headers)) if (value.length >= 8) clean = clean.replaceAll(value, '…');
  return excerpt(clean, 300);
}

/** Counted without building any of them: what separates or opens a value, outside of strings. */
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
