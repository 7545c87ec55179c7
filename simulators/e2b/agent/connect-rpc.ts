/** The server side of the Connect protocol with its JSON codec: unary calls and server streams. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RpcError, toRpcError } from './rpc-error.ts';
import type { User } from './users.ts';

type Json = Record<string, unknown>;

export interface RpcContext {
  user: User;
  /** The client's deadline for a stream in milliseconds; absent if it has none. */
  timeoutMs: number | undefined;
  /** Seconds of silence after which a stream gets a keepalive. */
  keepaliveSeconds: number;
}

export interface RpcStream {
  /** Returns false while the client does not keep up; `onDrain` tells when it does again. */
  send(message: Json): boolean;
  onDrain(callback: () => void): void;
  /** Called once when the client is gone or the stream has ended. */
  onClose(callback: () => void): void;
  end(error?: RpcError): void;
}

export type UnaryMethod = (request: Json, context: RpcContext) => Promise<Json> | Json;
export type StreamMethod = (request: Json, context: RpcContext, stream: RpcStream) => Promise<void> | void;

export interface RpcMethods {
  unary: Record<string, UnaryMethod>;
  stream: Record<string, StreamMethod>;
}

const END_OF_STREAM = 2;

/** Serves one call, `/<package>.<Service>/<Method>`. Unknown methods are `unimplemented`, by name. */
export async function serveRpc(
  methods: RpcMethods,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  userOf: () => User,
): Promise<void> {
  const isStream = request.headers['content-type']?.startsWith('application/connect+json') ?? false;
  const body = await readBody(request);
  const stream = isStream ? openStream(response) : undefined;
  try {
    const context: RpcContext = {
      user: userOf(),
      timeoutMs: positive(request.headers['connect-timeout-ms']),
      keepaliveSeconds: positive(request.headers['keepalive-ping-interval']) ?? 90,
    };
    if (stream) {
      const method = methods.stream[path] ?? unknown(path);
      await method(parse(body.subarray(5)), context, stream);
      return;
    }
    const method = methods.unary[path] ?? unknown(path);
    sendJson(response, 200, await method(parse(body), context));
  } catch (error) {
    const known = toRpcError(error);
    if (stream) stream.end(known);
    else sendJson(response, known.status, { code: known.code, message: known.message });
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

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function openStream(response: ServerResponse): RpcStream {
  response.writeHead(200, { 'content-type': 'application/connect+json' });
  response.flushHeaders();
  const write = (flags: number, message: Json) => {
    const payload = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(payload.length, 1);
    return response.writable ? response.write(Buffer.concat([head, payload])) : true;
  };
  return {
    send: (message) => write(0, message),
    onDrain: (callback) => response.on('drain', callback),
    onClose: (callback) => response.once('close', callback),
    end: (error) => {
      write(END_OF_STREAM, error ? { error: { code: error.code, message: error.message } } : {});
      response.end();
    },
  };
}

function parse(body: Buffer): Json {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8')) as Json;
  } catch {
    throw new RpcError('invalid_argument', 'the message is not JSON');
  }
}

function positive(header: string | string[] | undefined): number | undefined {
  const value = Number(header);
  return value > 0 ? value : undefined;
}

function unknown(path: string): never {
  throw new RpcError('unimplemented', `the local stand-in of E2B does not offer ${path}`);
}
