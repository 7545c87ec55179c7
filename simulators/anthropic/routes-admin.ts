/** Admin routes of this simulator: actions of the web console, and events that no client can cause. */
import type { FastifyInstance } from 'fastify';
import { objectBody } from '../common/admin.ts';
import { newEnvironmentKey, newId, newSigningKey } from './ids.ts';
import type { Service } from './service.ts';
import type { EndpointRecord } from './state.ts';

/** The event types that the guide for self-hosted environments recommends, and those of a session's end. */
export const RECOMMENDED_TYPES = [
  'session.status_run_started',
  'session.status_idled',
  'session.status_terminated',
  'session.archived',
  'session.deleted',
];

interface ById {
  Params: { id: string };
}

export function adminRoutes(scope: FastifyInstance, service: Service): void {
  const { state, queue, sessions, skills, turns } = service;
  // An answer may only report what is already on disk.
  scope.addHook('onSend', async () => state.store.save());

  scope.post<ById>('/environments/:id/keys', async (request) => {
    mustExist(state.environments.get(request.params.id), 'environment', request.params.id);
    const key = newEnvironmentKey();
    state.keys.put(key, request.params.id);
    return { key };
  });
  scope.delete<{ Params: { id: string; key: string } }>('/environments/:id/keys/:key', async (request) => {
    const { id, key } = request.params;
    if (state.keys.get(key) !== id) throw failure(404, `environment ${id} has no such key`);
    return { revoked: state.keys.delete(key) };
  });
  scope.post<ById>('/environments/:id/healthcheck', async (request) => {
    mustExist(state.environments.get(request.params.id), 'environment', request.params.id);
    return { work_id: queue.enqueue(request.params.id, { type: 'healthcheck', id: newId('hc') }).id };
  });

  scope.post<{ Params: { id: string; thread: string } }>(
    '/sessions/:id/threads/:thread/terminate',
    async (request) => {
      const session = mustExist(state.sessions.get(request.params.id), 'session', request.params.id);
      const child = session.children.find((thread) => thread.id === request.params.thread) ?? null;
      turns.terminateThread({
        session,
        child: mustExist(child ?? undefined, 'thread', request.params.thread),
      });
      return { terminated: true };
    },
  );

  scope.post<ById>('/skills/:id/publish', async (request) => {
    const skill = mustExist(state.skills.get(request.params.id), 'skill', request.params.id);
    const { id } = objectBody(request.body);
    if (typeof id !== 'string' || !/^[a-z0-9-]{1,64}$/.test(id)) throw new Error('id must be a short name');
    if (state.skills.get(id)) throw new Error(`there is a skill ${id} already`);
    return { id: skills.publish(skill, id).id };
  });

  scope.get('/webhooks', async () => ({ data: state.endpoints.values().map(shown) }));
  scope.post('/webhooks', async (request) => {
    const { url, types } = objectBody(request.body);
    if (url === undefined) throw new Error('url is required');
    const endpoint: EndpointRecord = {
      id: newId('whep'),
      url: urlOf(url),
      types: types === undefined ? RECOMMENDED_TYPES : typesOf(types),
      secret: newSigningKey(),
      disabled: null,
    };
    state.endpoints.put(endpoint.id, endpoint);
    return { id: endpoint.id, secret: endpoint.secret };
  });
  scope.patch<ById>('/webhooks/:id', async (request) => {
    const endpoint = mustExist(state.endpoints.get(request.params.id), 'webhook', request.params.id);
    const { url, types, disabled } = objectBody(request.body);
    if (disabled !== undefined && disabled !== false) throw new Error('disabled can only be set to false');
    const changes = {
      ...(url === undefined ? {} : { url: urlOf(url) }),
      ...(types === undefined ? {} : { types: typesOf(types) }),
      ...(disabled === undefined ? {} : { disabled: null }),
    };
    return shown(state.endpoints.put(endpoint.id, Object.assign(endpoint, changes)));
  });
  scope.delete<ById>('/webhooks/:id', async (request) => {
    const { id } = mustExist(state.endpoints.get(request.params.id), 'webhook', request.params.id);
    return { removed: state.endpoints.delete(id) };
  });

  scope.post<ById>('/sessions/:id/terminate', async (request) => {
    sessions.terminate(
      mustExist(state.sessions.get(request.params.id), 'session', request.params.id),
      'The session ended with an error that cannot be recovered from.',
    );
    return { terminated: true };
  });
}

function shown({ secret, ...endpoint }: EndpointRecord) {
  return endpoint;
}

function urlOf(value: unknown): string {
  if (typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)) return value;
  throw new Error('url must be an http or https URL');
}

function typesOf(value: unknown): string[] {
  const valid = Array.isArray(value) && value.length > 0 && value.every((type) => typeof type === 'string');
  if (valid) return value as string[];
  throw new Error('types must be a list of event types; session.* means all types with this prefix');
}

function mustExist<T>(record: T | undefined, what: string, id: string): T {
  if (record === undefined) throw failure(404, `no ${what} ${id}`);
  return record;
}

function failure(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}
