// The HTTP interface: starts, reads (with long polls) and cancels calls by id, ends sessions, reports health. Requests
// about files are handled in http-files.ts.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { CallRequest } from './call.ts';
import type { Calls } from './calls.ts';
import { Refusal, readObject } from './http-body.ts';
import { answerFiles, type FileServices, STREAMED } from './http-files.ts';

/** Maximum number of output files that are named with the result of a call; all are counted. */
const SHOWN_OUTPUTS = 20;
const MAX_WAIT_MS = 10 * 60_000;
const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_TIMEOUT_MS = 24 * 3600_000;
/** Longer than proxies keep an idle connection, so that we never close a connection that a proxy is about to use. */
const KEEP_ALIVE_MS = 650_000;

/** Ids of session events, or any other text that fits into a path segment without escapes. */
const CALL_PATH = /^\/calls\/([\w.-]{1,200})(\/cancel)?$/;
const SESSION_PATH = /^\/sessions\/([\w.-]{1,200})$/;
const SESSION = /^[\w.-]{1,200}$/;

export interface ServerOptions extends FileServices {
  calls: () => Calls;
  health: () => Record<string, unknown>;
}

/** Creates the server, not yet listening. */
export function createHttpServer(options: ServerOptions): Server {
  const server = createServer((request, response) => {
    answer(options, request, response).then(
      (body) => body === STREAMED || send(response, 200, body),
      (error: unknown) => {
        // The rest of an unread body would be parsed as the next request on this connection.
        if (!request.complete && !response.headersSent) response.setHeader('connection', 'close');
        refuse(response, error);
      },
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

async function answer(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<unknown> {
  const [path = '', query] = (request.url ?? '').split('?', 2);
  if (path === '/health' && request.method === 'GET') return { ok: true, ...options.health() };
  const files = await answerFiles(options, request, response, path, new URLSearchParams(query));
  if (files !== undefined) return files;
  const [, session] = SESSION_PATH.exec(path) ?? [];
  if (session && request.method === 'DELETE') return options.calls().endSession(session);
  const [, id, cancel] = CALL_PATH.exec(path) ?? [];
  if (!id) throw new Refusal(404, 'not_found', `there is nothing at ${path}`);

  const calls = options.calls();
  const route = `${request.method}${cancel ?? ''}`;
  if (route === 'POST/cancel') return calls.cancel(id);
  if (route !== 'PUT' && route !== 'GET')
    throw new Refusal(405, 'method_not_allowed', `${request.method} is not for ${path}`);

  const waitMs = readWait(new URLSearchParams(query).get('wait_ms'));
  if (route === 'PUT') calls.start(id, await readCall(request));
  else if (!calls.get(id)) throw new Refusal(404, 'unknown_call', `no call ${id} was ever sent here`);
  await calls.untilEnded(id, waitMs, untilClosed(response));
  const call = calls.get(id);
  if (call?.state === 'running') return call;
  const outputs = await options.outputs.list(SHOWN_OUTPUTS);
  return outputs.count > 0 ? { ...call, outputs } : call;
}

function readWait(value: string | null): number {
  if (!value) return 0;
  if (!/^\d{1,9}$/.test(value))
    throw new Refusal(400, 'invalid_request', 'wait_ms must be a number of milliseconds, for example 30000');
  return Math.min(Number(value), MAX_WAIT_MS);
}

async function readCall(request: IncomingMessage): Promise<CallRequest> {
  const body: Partial<CallRequest> = await readObject(
    request,
    '{"name","input","timeoutMs","session","thread"}',
  );
  const { name, input, timeoutMs = DEFAULT_TIMEOUT_MS } = body;
  if (typeof name !== 'string' || !name)
    throw new Refusal(400, 'invalid_request', 'name must be the name of a tool');
  if (input === undefined) throw new Refusal(400, 'invalid_request', "input must be the tool's input");
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS)
    throw new Refusal(400, 'invalid_request', `timeoutMs must be an integer from 1 to ${MAX_TIMEOUT_MS}`);
  return {
    name,
    input,
    timeoutMs,
    ...optionalId('session', body.session),
    ...optionalId('thread', body.thread),
  };
}

function optionalId(of: 'session' | 'thread', id: unknown): { session?: string; thread?: string } {
  if (id === undefined) return {};
  if (typeof id !== 'string' || !SESSION.test(id))
    throw new Refusal(400, 'invalid_request', `${of} must be the id of a ${of}`);
  return { [of]: id };
}

/** Aborts when the client disconnects, so that its long poll ends. */
function untilClosed(response: ServerResponse): AbortSignal {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  return closed.signal;
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'internal', String(error));
  send(response, refusal.status, { code: refusal.code, message: refusal.message });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
