/** A server of the Connect protocol with the JSON codec: unary calls, client streams and server streams. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { envelope, MAX_MESSAGE_BYTES, parseMessage, readEnvelopes } from './envelopes.ts';
import type { Fields } from './fields.ts';
import { withoutNewFields } from './older-clients.ts';
import { RpcError, toRpcError } from './rpc-error.ts';
import type { User } from './users.ts';

type Json = Record<string, unknown>;

export interface RpcContext {
  user: User;
  /** The client's deadline for a stream in milliseconds, if any. */
  timeoutMs: number | undefined;
  /** Seconds without a message after which a stream gets a keepalive. */
  keepaliveSeconds: number;
}

export interface RpcStream {
  /** Returns false if the client does not keep up; `onDrain` calls back when it does again. */
  send(message: Json): boolean;
  onDrain(callback: () => void): void;
  /** Calls back once when the stream has ended or the client has left. */
  onClose(callback: () => void): void;
  end(error?: RpcError): void;
}

export type UnaryMethod = (request: Fields, context: RpcContext) => Promise<Json> | Json;
export type StreamMethod = (request: Fields, context: RpcContext, stream: RpcStream) => Promise<void> | void;
export type InputMethod = (requests: AsyncIterable<Fields>, context: RpcContext) => Promise<Json>;

export interface RpcMethods {
  unary: Record<string, UnaryMethod>;
  /** Server streams: one request message, many answers. */
  stream: Record<string, StreamMethod>;
  /** Client streams: many request messages, one answer. */
  input: Record<string, InputMethod>;
}

/** How long to read the rest of a request before answering; a client that sends for longer may miss the answer. */
const READ_OUT_MS = 10_000;
const DEFAULT_KEEPALIVE_SECONDS = 90;
const MAX_KEEPALIVE_SECONDS = 86_400;
/** The longest delay that Node's timers take. */
const MAX_MS = 2 ** 31 - 1;

/** Serves one call of `/<package>.<Service>/<Method>`. Answers `unimplemented` for unknown methods. */
export async function serveRpc(
  methods: RpcMethods,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  userOf: () => User,
): Promise<void> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (type === 'application/connect+json') return serveStream(methods, path, request, response, userOf);
  if (type !== 'application/json') {
    request.resume();
    response.writeHead(415, { 'accept-post': 'application/json, application/connect+json' }).end();
    return;
  }
  try {
    const method = methods.unary[path] ?? unknown(path);
    const context = contextOf(request, userOf());
    const answer = await method(parseMessage(await readBody(request)), context);
    sendJson(response, 200, withoutNewFields(request, response, answer));
  } catch (error) {
    request.resume();
    const { status, code, message } = toRpcError(error);
    sendJson(response, status, { code, message });
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Throws `resource_exhausted` for a body above the maximal size of a message. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > MAX_MESSAGE_BYTES) break;
    chunks.push(chunk as Buffer);
  }
  if (size <= MAX_MESSAGE_BYTES) return Buffer.concat(chunks);
  await discardRest(request);
  throw new RpcError('resource_exhausted', `a message may have ${MAX_MESSAGE_BYTES} bytes`);
}

/** Discards the rest of a request. Closing the connection before its end could lose the answer. */
async function discardRest(request: IncomingMessage): Promise<void> {
  request.resume();
  await finished(request, { signal: AbortSignal.timeout(READ_OUT_MS) }).catch(() => undefined);
}

/** Serves a stream. Its status is always 200; an error is part of its last message. */
async function serveStream(
  methods: RpcMethods,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  userOf: () => User,
): Promise<void> {
  const stream = openStream(request, response);
  try {
    const context = contextOf(request, userOf());
    const requests = readEnvelopes(request);
    const input = methods.input[path];
    if (input) {
      stream.send(await input(requests, context));
      return stream.end();
    }
    const method = methods.stream[path] ?? unknown(path);
    const { value } = await requests.next();
    if (!value) throw new RpcError('invalid_argument', 'the stream carries no message');
    discardMessages(requests);
    await method(value, context, stream);
  } catch (error) {
    stream.end(toRpcError(error));
  }
}

/** Reads on in order to notice the end of the connection; ignores further messages. */
function discardMessages(requests: AsyncGenerator<Fields, void>): void {
  requests.next().then(
    ({ done }) => done || discardMessages(requests),
    () => undefined,
  );
}

function openStream(request: IncomingMessage, response: ServerResponse): RpcStream {
  response.writeHead(200, { 'content-type': 'application/connect+json' });
  response.flushHeaders();
  const write = (message: Json, last = false) =>
    response.writable ? response.write(envelope(message, last)) : true;
  return {
    send: (message) => write(message),
    onDrain: (callback) => response.on('drain', callback),
    onClose: (callback) => {
      if (response.closed) callback();
      else response.once('close', callback);
    },
    end: (error) => {
      write(error ? { error: { code: error.code, message: error.message } } : {}, true);
      void discardRest(request).then(() => response.end());
    },
  };
}

function contextOf({ headers }: IncomingMessage, user: User): RpcContext {
  return {
    user,
    timeoutMs: positive('connect-timeout-ms', headers['connect-timeout-ms']),
    keepaliveSeconds: Math.min(
      positive('keepalive-ping-interval', headers['keepalive-ping-interval']) ?? DEFAULT_KEEPALIVE_SECONDS,
      MAX_KEEPALIVE_SECONDS,
    ),
  };
}

function positive(name: string, value: string | string[] | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (Number.isFinite(number) && number >= 0) return number > 0 ? Math.min(number, MAX_MS) : undefined;
  throw new RpcError('invalid_argument', `the header ${name} must be a number`);
}

function unknown(path: string): never {
  throw new RpcError('unimplemented', `the local E2B simulator does not offer ${path}`);
}
