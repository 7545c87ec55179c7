/**
 * Applies faults to the routes of a Fastify server. A route opts in by a name: `{config: {fault: 'work.ack'}}`.
 * Faults of streams and lists are carried out by the route itself, which finds them in `request.fault`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FaultAction, Faults } from './faults.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    fault?: string;
    /** Rules match the request's body as well as its URL. */
    faultInBody?: boolean;
  }
  interface FastifyRequest {
    fault: FaultAction | undefined;
  }
}

/** Makes the body of an injected error response whose rule has no `body`. */
export type FaultBody = (action: FaultAction, request: FastifyRequest) => unknown;

/** Adds the hooks to `app`. Call it before adding routes: Fastify applies hooks only to later routes. */
export function addFaultHooks(app: FastifyInstance, faults: Faults, bodyOf: FaultBody): void {
  app.decorateRequest('fault', undefined);

  // preHandler: a fault hits only requests that have passed authorisation and parsing.
  app.addHook('preHandler', async (request, reply) => {
    const { fault: route, faultInBody } = request.routeOptions.config;
    if (!route) return;
    const body = faultInBody && faults.any ? ` ${JSON.stringify(request.body)}` : '';
    const action = faults.take(route, `${request.url}${body}`);
    if (!action) return;
    request.fault = action;
    if (action.latencyMs > 0) await delay(action.latencyMs);
    if (action.kind === 'drop') return cut(request, reply);
    if (action.kind === 'status') {
      setHead(reply, action);
      return reply.type('application/json').send(bodyText(action, request));
    }
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const action = request.fault;
    if (action?.kind === 'commit-then-drop') {
      cut(request, reply);
      return payload;
    }
    if (action?.kind !== 'commit-then-status') return payload;
    setHead(reply, action);
    reply.removeHeader('content-length');
    reply.header('content-type', 'application/json');
    return bodyText(action, request);
  });

  /** A body of null is an answer, too: that of an empty queue. */
  function bodyText(action: FaultAction, request: FastifyRequest): string {
    return JSON.stringify(action.body === undefined ? bodyOf(action, request) : action.body);
  }
}

function setHead(reply: FastifyReply, action: FaultAction): void {
  reply.code(action.status);
  if (action.retryAfter !== undefined) reply.header('retry-after', String(action.retryAfter));
}

/** Ends the connection without an answer. */
function cut(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.hijack();
  request.raw.socket.destroy();
  return reply;
}
