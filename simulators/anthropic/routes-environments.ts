/** Routes of the environments: `/v1/environments…`, without the work queue. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ApiError, badRequest, notImplemented } from './errors.ts';
import { newId } from './ids.ts';
import { creationKey, type PageQuery, paginate } from './pagination.ts';
import { metadata, metadataPatch, parseBody, patchMetadata } from './params.ts';
import type { Service } from './service.ts';
import type { EnvironmentRecord, State } from './state.ts';
import { environmentView } from './views.ts';

interface OfEnvironment {
  Params: { environment_id: string };
}
interface ListQuery extends PageQuery {
  include_archived?: string;
}

const DEFAULT_PAGE = 100;

const config = z.looseObject({ type: z.enum(['self_hosted', 'cloud']) });
const scope = z.enum(['organization', 'account']).nullish();
const name = z.string().min(1).max(256);
const createBody = z.strictObject({
  name,
  config: config.nullish(),
  description: z.string().nullish(),
  metadata: metadata.nullish(),
  scope,
});
const updateBody = z.strictObject({
  name: name.nullish(),
  config: config.nullish(),
  description: z.string().nullish(),
  metadata: metadataPatch,
  scope,
});

/** Creates an environment from a request body. Throws 400 or 501. */
export function createEnvironment(state: State, body: unknown): EnvironmentRecord {
  const params = parseBody(createBody, body);
  // An environment without a configuration is a cloud environment.
  if (params.config?.type !== 'self_hosted') throw notImplemented('cloud environments');
  if (params.scope === 'account') throw badRequest('scope: API organizations support only organization');
  const now = state.clock.iso();
  const record: EnvironmentRecord = {
    id: newId('env'),
    type: 'environment',
    name: params.name,
    description: params.description ?? null,
    config: { type: 'self_hosted' },
    metadata: params.metadata ?? {},
    scope: 'organization',
    created_at: now,
    updated_at: now,
    archived_at: null,
  };
  return state.environments.put(record.id, record);
}

export function environmentRoutes(app: FastifyInstance, { state, webhooks }: Service): void {
  const environmentOf = (id: string): EnvironmentRecord => {
    const record = state.environments.get(id);
    if (record) return record;
    throw new ApiError(404, `Environment ${id} not found.`, { error_code: 'environment_not_found' });
  };
  const itemPath = '/v1/environments/:environment_id';

  app.post('/v1/environments', { config: { fault: 'environments.create' } }, async (request) => {
    const record = createEnvironment(state, request.body);
    webhooks.emit('environment.created', record.id);
    return environmentView(record);
  });

  app.get<{ Querystring: ListQuery }>(
    '/v1/environments',
    { config: { fault: 'environments.list' } },
    async ({ query }) => {
      const found = state.environments
        .values()
        .filter((environment) => environment.archived_at === null || query.include_archived === 'true');
      const page = paginate(found, creationKey, 'desc', query, DEFAULT_PAGE);
      return { data: page.data.map(environmentView), next_page: page.next_page };
    },
  );

  app.get<OfEnvironment>(itemPath, { config: { fault: 'environments.retrieve' } }, async ({ params }) =>
    environmentView(environmentOf(params.environment_id)),
  );

  app.post<OfEnvironment>(itemPath, { config: { fault: 'environments.update' } }, async (request) => {
    const record = environmentOf(request.params.environment_id);
    const body = parseBody(updateBody, request.body);
    if (record.archived_at !== null) {
      throw new ApiError(400, `Environment ${record.id} is archived.`, {
        error_code: 'environment_archived',
      });
    }
    if (body.config && body.config.type !== record.config.type) {
      throw new ApiError(400, 'config.type: cannot be changed', { error_code: 'invalid_config_type_change' });
    }
    if (body.name != null) record.name = body.name;
    if (body.description !== undefined) record.description = body.description;
    record.metadata = patchMetadata(record.metadata, emptyAsNull(body.metadata));
    record.updated_at = state.clock.iso();
    webhooks.emit('environment.updated', record.id);
    return environmentView(state.environments.put(record.id, record));
  });

  app.post<OfEnvironment>(
    `${itemPath}/archive`,
    { config: { fault: 'environments.archive' } },
    async (request) => {
      const record = environmentOf(request.params.environment_id);
      if (record.archived_at === null) webhooks.emit('environment.archived', record.id);
      record.archived_at ??= state.clock.iso();
      return environmentView(state.environments.put(record.id, record));
    },
  );

  app.delete<OfEnvironment>(itemPath, { config: { fault: 'environments.delete' } }, async ({ params }) => {
    const { id } = environmentOf(params.environment_id);
    if (state.sessions.values().some((session) => session.environment_id === id)) {
      throw badRequest(`Environment ${id} has sessions; delete them or archive the environment.`);
    }
    state.environments.delete(id);
    for (const [key, environment] of state.keys.entries()) if (environment === id) state.keys.delete(key);
    webhooks.emit('environment.deleted', id);
    return { id, type: 'environment_deleted' };
  });
}

/** In the metadata of an environment, an empty string also removes a pair. */
function emptyAsNull(patch: Record<string, string | null> | null | undefined) {
  return Object.fromEntries(Object.entries(patch ?? {}).map(([key, value]) => [key, value || null]));
}
