/**
 * Authentication and authorisation. There are three kinds of credentials: the organisation's API key, the key of an
 * environment, and the sessions token of a work item. Each route lists the kinds that it accepts.
 */
import type { FastifyRequest } from 'fastify';
import { ApiError } from './errors.ts';
import type { Identity, State } from './state.ts';

export type CallerKind = 'organization' | 'environment' | 'session';

export type Caller =
  | { kind: 'organization' }
  | { kind: 'environment'; environmentId: string }
  | { kind: 'session'; environmentId: string; sessionId: string };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The kinds of credentials that a route accepts; by default only the organisation's key. */
    accepts?: readonly CallerKind[];
  }
  interface FastifyRequest {
    caller: Caller;
  }
}

const NAMES: Record<CallerKind, string> = {
  organization: 'an organization API key',
  environment: 'an environment key',
  session: "a work item's sessions token",
};

/** Identifies the caller. Throws 401 for a missing or unknown credential, 403 if the route does not accept its kind. */
export function authenticate(request: FastifyRequest, state: State, identity: Identity): Caller {
  const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const apiKey = request.headers['x-api-key'];
  if (bearer && apiKey && request.routeOptions.config.fault === 'events.stream') {
    throw new ApiError(401, 'Send either x-api-key or Authorization: Bearer, not both.');
  }
  const credential = bearer ?? (typeof apiKey === 'string' ? apiKey : undefined);
  if (!credential) throw new ApiError(401, 'x-api-key or Authorization: Bearer is required.');
  const caller = callerOf(credential, state, identity);
  if (!caller) throw new ApiError(401, 'Invalid or expired credential.');
  const accepted = request.routeOptions.config.accepts ?? ['organization'];
  if (!accepted.includes(caller.kind)) {
    const wanted = accepted.map((kind) => NAMES[kind]).join(' or ');
    throw new ApiError(403, `This endpoint does not accept ${NAMES[caller.kind]}; it takes ${wanted}.`);
  }
  return caller;
}

function callerOf(credential: string, state: State, identity: Identity): Caller | undefined {
  if (credential === identity.apiKey) return { kind: 'organization' };
  const environmentId = state.keys.get(credential);
  if (environmentId) return { kind: 'environment', environmentId };
  const token = state.tokens.get(credential);
  if (!token || token.expiresAt <= state.clock.now()) return undefined;
  return { kind: 'session', environmentId: token.environment_id, sessionId: token.session };
}

/** Throws 403 unless the caller may act on this environment and, with a sessions token, on this session. */
export function authorize(caller: Caller, environmentId: string, sessionId: string): void {
  if (caller.kind === 'organization') return;
  if (caller.environmentId !== environmentId) {
    throw new ApiError(403, `The credential does not belong to environment ${environmentId}.`);
  }
  if (caller.kind === 'session' && caller.sessionId !== sessionId) {
    throw new ApiError(403, 'The sessions token does not belong to this session.');
  }
}
