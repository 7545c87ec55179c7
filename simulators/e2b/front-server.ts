/** The HTTP server in front of the control plane and the data plane, and what applies to all requests of the former. */
import { createServer, type Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { addFaultHooks } from '../common/fault-hooks.ts';
import type { Faults } from '../common/faults.ts';
import { announceNoTime } from '../common/keep-alive.ts';
import { ApiError, errorBody, notOffered } from './api-error.ts';
import { UPLOADS } from './build-routes.ts';
import type { DataPlane } from './data-plane.ts';
import { IsolationError } from './isolation/explain.ts';
import type { SandboxRecord } from './record.ts';
import { targetOf } from './target.ts';

/** Longer than client pools keep idle connections: a client must not send on a connection that we are closing. */
const KEEP_ALIVE_MS = 75_000;

/** Sends requests for sandboxes to the data plane, all others to the control plane. */
export function createFrontServer(
  handler: Parameters<typeof createServer>[1],
  dataPlane: DataPlane,
  all: () => SandboxRecord[],
): Server {
  const server = createServer((request, response) => {
    announceNoTime(response);
    const target = targetOf(request, all);
    if (target) void dataPlane.serve(request, response, target);
    else handler?.(request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    const target = targetOf(request, all);
    if (target) void dataPlane.upgrade(request, socket, head, target);
    else socket.destroy();
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

export function addCommonHooks(app: FastifyInstance, apiKey: string, faults: Faults): void {
  // Clients send a JSON content type without a body, too.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body ? JSON.parse(body as string) : {});
    } catch {
      done(new ApiError(400, 'the body is not JSON'));
    }
  });
  app.addHook('onRequest', async (request) => {
    if (request.url.startsWith('/_admin') || request.url.startsWith(`${UPLOADS}/`)) return;
    if (request.headers['x-api-key'] === apiKey) return;
    throw new ApiError(401, 'Invalid API key, please check your X-API-KEY (E2B_API_KEY)');
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof ApiError) return reply.code(error.status).send(error.body);
    const status = error.statusCode ?? 500;
    const code =
      status < 500
        ? undefined
        : error instanceof IsolationError
          ? 'sandbox_create_failed'
          : 'internal_server_error';
    return reply.code(status).send(errorBody(status, error.message, code));
  });
  app.setNotFoundHandler((request) => {
    throw notOffered(`${request.method} ${request.url.split('?')[0]}`);
  });
  addFaultHooks(app, faults, (action) => errorBody(action.status, 'injected fault'));
}
