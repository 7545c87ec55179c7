/** The HTTP side of the simulator: what holds for every request, and the routes. */
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { registerAdmin } from '../common/admin.ts';
import { addFaultHooks } from '../common/fault-hooks.ts';
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
    /** The beta headers of which a route wants one; none: any or no header will do. */
    betas?: readonly string[];
  }
}

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const SMALL_BODY_BYTES = 4 * 1024 * 1024;
/** No URL is longer: an id of any length is looked up, and not found. */
const MAX_ID_LENGTH = 16 * 1024;
/** Longer than client pools keep a connection: none must meet one that is just being closed. */
const KEEP_ALIVE_MS = 100_000;

/** A server without routes; `log` absent means silence. */
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
  app.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0] ?? '';
    if (!path.startsWith('/v1/')) throw new ApiError(404, `No such path: ${path}`);
    request.log.warn({ method: request.method, path }, 'not built');
    throw notImplemented(`${request.method} ${path}`);
  });
  app.removeAllContentTypeParsers();
  // Calls without a body come with a JSON content type, too.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    let parsed: unknown;
    try {
      // A chunked request does not say beforehand how large it is.
      if (Buffer.byteLength(body) > SMALL_BODY_BYTES) mustAcceptLarge(service);
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
      queue.settleAll();
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
      mustBeBeta(request, service);
      request.caller = authenticate(request, state, identity);
      if (Number(request.headers['content-length'] ?? 0) > SMALL_BODY_BYTES) mustAcceptLarge(service);
    });
    api.addHook('onResponse', async (request, reply) => {
      const { method, url, id } = request;
      request.log.debug({ id, method, url, status: reply.statusCode }, 'answered');
    });
    // Everything that an answer tells of is on disk before it is given.
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

function mustBeBeta(request: FastifyRequest, { state }: Service): void {
  const wanted = request.routeOptions.config.betas ?? [BETA];
  if (wanted.length === 0 || state.switches.get('missing-beta-header') === 'accept') return;
  if (betasOf(request).some((beta) => wanted.includes(beta))) return;
  throw new ApiError(404, `Not found; is the header anthropic-beta: ${wanted.join(' or ')} missing?`);
}

function mustAcceptLarge({ state }: Service): void {
  if (state.switches.get('body-cap') === '4MiB') {
    throw new ApiError(413, 'Request exceeds the maximum allowed number of bytes.');
  }
}
