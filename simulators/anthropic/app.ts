/** The HTTP server of the simulator: the checks that apply to every request, and all routes. */
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { registerAdmin } from '../common/admin.ts';
import { addFaultHooks } from '../common/fault-hooks.ts';
import { announceNoTime } from '../common/keep-alive.ts';
import { authenticate } from './auth.ts';
import { ApiError, errorBody, handleError, newRequestId, notImplemented } from './errors.ts';
import { betasOf } from './headers.ts';
import { parseJson } from './json.ts';
import { acceptUploads } from './multipart.ts';
import { RateLimits } from './rate-limits.ts';
import { adminRoutes } from './routes-admin.ts';
import { agentRoutes } from './routes-agents.ts';
import { environmentRoutes } from './routes-environments.ts';
import { eventRoutes } from './routes-events.ts';
import { memoryRoutes } from './routes-memories.ts';
import { memoryStoreRoutes } from './routes-memory-stores.ts';
import { resourceRoutes } from './routes-resources.ts';
import { sessionRoutes } from './routes-sessions.ts';
import { skillRoutes } from './routes-skills.ts';
import { threadRoutes } from './routes-threads.ts';
import { workRoutes } from './routes-work.ts';
import type { Service } from './service.ts';

const BETA = 'managed-agents-2026-04-01';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route requires one of these beta headers; an empty list: no header is required. */
    betas?: readonly string[];
  }
}

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const SMALL_BODY_BYTES = 4 * 1024 * 1024;
/** Longer than any URL, so that an over-long id is answered like an unknown one. */
const MAX_ID_LENGTH = 16 * 1024;
/** Longer than client pools keep idle connections: a client must not send on a connection that we are closing. */
const KEEP_ALIVE_MS = 100_000;

/** A server without routes. It logs nothing without `log`. */
export function createApp(log: FastifyBaseLogger | undefined): FastifyInstance {
  return Fastify({
    ...(log ? { loggerInstance: log } : { logger: false }),
    bodyLimit: MAX_BODY_BYTES,
    genReqId: newRequestId,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: MAX_ID_LENGTH },
  });
}

export async function addRoutes(app: FastifyInstance, service: Service): Promise<void> {
  const { state, identity, queue } = service;
  app.setErrorHandler(handleError);
  app.addHook('onRequest', async (_request, reply) => announceNoTime(reply.raw));
  app.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0] ?? '';
    if (!path.startsWith('/v1/')) throw new ApiError(404, `No such path: ${path}`);
    request.log.warn({ method: request.method, path }, 'request for an endpoint that is not implemented');
    throw notImplemented(`${request.method} ${path}`);
  });
  app.removeAllContentTypeParsers();
  // The SDKs send a JSON content type without a body, too.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    let parsed: unknown;
    try {
      // The content-length check below misses chunked requests.
      if (Buffer.byteLength(body) > SMALL_BODY_BYTES) checkLargeBody(service);
      parsed = parseJson(body as string);
    } catch (error) {
      return done(error as ApiError, undefined);
    }
    done(null, parsed);
  });

  acceptUploads(app);

  await registerAdmin(app, {
    adminToken: identity.adminToken,
    faults: state.faults,
    clock: state.clock,
    switches: state.switches,
    state: () => ({ ...state.store.dump(), switches: state.switches.all() }),
    changed: async () => {
      queue.applyAllTimeouts();
      await state.saveSettings();
    },
    routes: (scope) => adminRoutes(scope, service),
  });

  await app.register(async (api) => {
    api.decorateRequest('caller');
    const limits = new RateLimits(state);
    api.addHook('onRequest', async (request, reply) => {
      reply.header('request-id', request.id);
      limits.count(request, reply);
      checkBetaHeader(request, service);
      request.caller = authenticate(request, state, identity);
      if (Number(request.headers['content-length'] ?? 0) > SMALL_BODY_BYTES) checkLargeBody(service);
    });
    api.addHook('onResponse', async (request, reply) => {
      const { method, url, id } = request;
      request.log.debug({ id, method, url, status: reply.statusCode }, 'answered');
    });
    // An answer may only report what is already on disk.
    api.addHook('onSend', async () => state.store.save());
    addFaultHooks(api, state.faults, (action, request) =>
      errorBody(request, new ApiError(action.status, 'This error was injected.')),
    );
    environmentRoutes(api, service);
    workRoutes(api, service);
    agentRoutes(api, service);
    sessionRoutes(api, service);
    eventRoutes(api, service);
    threadRoutes(api, service);
    resourceRoutes(api, service);
    skillRoutes(api, service);
    memoryStoreRoutes(api, service);
    memoryRoutes(api, service);
  });
}

function checkBetaHeader(request: FastifyRequest, { state }: Service): void {
  const wanted = request.routeOptions.config.betas ?? [BETA];
  if (wanted.length === 0 || state.switches.get('missing-beta-header') === 'accept') return;
  if (betasOf(request).some((beta) => wanted.includes(beta))) return;
  throw new ApiError(404, `Not found; is the header anthropic-beta: ${wanted.join(' or ')} missing?`);
}

function checkLargeBody({ state }: Service): void {
  if (state.switches.get('body-cap') === '4MiB') {
    throw new ApiError(413, 'Request exceeds the maximum allowed number of bytes.');
  }
}
