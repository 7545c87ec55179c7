/** Routes of the sessions themselves: `/v1/sessions…`. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { changedAgent, sessionAgent } from './agent-params.ts';
import { authorize } from './auth.ts';
import { ApiError, notFound, notImplemented } from './errors.ts';
import { parseInitialEvents } from './event-params.ts';
import { createdAtFilter, creationKey, orderOf, type PageQuery, paginate, repeated } from './pagination.ts';
import { metadata, metadataPatch, parseBody, patchMetadata } from './params.ts';
import type { Service } from './service.ts';
import { attachResources } from './session-resources.ts';
import type { SessionRecord } from './state.ts';
import { sessionView, shownStatus } from './views.ts';

interface OfSession {
  Params: { session_id: string };
}
interface ListQuery extends PageQuery, Record<string, unknown> {
  order?: string;
}

const DEFAULT_PAGE = 100;

const budget = z
  .strictObject({
    type: z.literal('limit'),
    max_list_cost: z.strictObject({
      amount: z.string().regex(/^[1-9]\d{0,11}$/, 'must be a whole number of cents'),
      currency: z.literal('USD'),
    }),
  })
  .nullish();

const createBody = z.strictObject({
  agent: z.unknown(),
  environment_id: z.string(),
  title: z.string().nullish(),
  metadata: metadata.nullish(),
  initial_events: z.unknown().optional(),
  resources: z.array(z.looseObject({ type: z.string() })).nullish(),
  vault_ids: z.array(z.string()).nullish(),
  budget,
});
const updateBody = z.strictObject({
  title: z.string().nullish(),
  metadata: metadataPatch,
  agent: z.unknown().optional(),
  budget,
  vault_ids: z.unknown().optional(),
});

export function sessionRoutes(app: FastifyInstance, service: Service): void {
  const { state, sessions } = service;
  const sessionOf = (request: FastifyRequest<OfSession>): SessionRecord => {
    const session = sessions.get(request.params.session_id);
    authorize(request.caller, session.environment_id, session.id);
    return session;
  };

  app.post('/v1/sessions', { config: { fault: 'sessions.create' } }, async (request) => {
    const body = parseBody(createBody, request.body);
    refuse((body.vault_ids ?? []).length > 0, 'vaults');
    const environment = state.environments.get(body.environment_id);
    if (!environment) throw notFound('Environment', body.environment_id);
    if (environment.archived_at !== null) {
      throw new ApiError(400, `Environment ${environment.id} is archived.`, {
        error_code: 'environment_archived',
      });
    }
    const params = {
      environment_id: environment.id,
      agent: sessionAgent(state, body.agent),
      title: body.title ?? null,
      metadata: body.metadata ?? {},
      budgetCents: budgetOf(body.budget) ?? null,
      resources: attachResources(state, body.resources ?? []),
    };
    return sessionView(sessions.create(params, parseInitialEvents(body.initial_events)), state);
  });

  app.get<{ Querystring: ListQuery }>(
    '/v1/sessions',
    { config: { fault: 'sessions.list' } },
    async ({ query }) => {
      const matches = sessionFilter(query, service);
      const found = state.sessions.values().filter(matches);
      const page = paginate(found, creationKey, orderOf(query.order, 'desc'), query, DEFAULT_PAGE);
      return { ...page, data: page.data.map((session) => sessionView(session, state)) };
    },
  );

  app.get<OfSession>(
    '/v1/sessions/:session_id',
    { config: { fault: 'sessions.retrieve', accepts: ['organization', 'environment', 'session'] } },
    async (request) => sessionView(sessionOf(request), state),
  );

  app.post<OfSession>(
    '/v1/sessions/:session_id',
    { config: { fault: 'sessions.update' } },
    async (request) => {
      const session = sessionOf(request);
      const body = parseBody(updateBody, request.body);
      refuse(body.vault_ids !== undefined, 'vaults');
      const budgetCents = budgetOf(body.budget);
      sessions.update(session, {
        ...(body.title === undefined ? {} : { title: body.title }),
        ...(body.agent === undefined ? {} : { agent: changedAgent(session.agent, body.agent) }),
        ...(budgetCents === undefined ? {} : { budgetCents }),
        metadata: patchMetadata(session.metadata, body.metadata),
      });
      return sessionView(session, state);
    },
  );

  app.post<OfSession>(
    '/v1/sessions/:session_id/archive',
    { config: { fault: 'sessions.archive' } },
    async (request) => {
      const session = sessionOf(request);
      sessions.archive(session);
      return sessionView(session, state);
    },
  );

  app.delete<OfSession>(
    '/v1/sessions/:session_id',
    { config: { fault: 'sessions.delete' } },
    async (request) => {
      const session = sessionOf(request);
      sessions.delete(session);
      return { id: session.id, type: 'session_deleted' };
    },
  );
}

function sessionFilter(query: ListQuery, { state }: Service): (session: SessionRecord) => boolean {
  const { agent_id, agent_version, deployment_id, include_archived, memory_store_id } = query;
  const statuses = repeated(query, 'statuses');
  const inTimeRange = createdAtFilter(query);
  return (session) =>
    (session.archived_at === null || include_archived === 'true') &&
    (agent_id === undefined || session.agent.id === agent_id) &&
    (agent_id === undefined ||
      agent_version === undefined ||
      String(session.agent.version) === agent_version) &&
    (statuses.length === 0 || statuses.includes(shownStatus(session, state))) &&
    (memory_store_id === undefined ||
      session.resources.some((resource) => resource.memory_store_id === memory_store_id)) &&
    // The simulator has no deployments.
    deployment_id === undefined &&
    inTimeRange(session.created_at);
}

function refuse(present: boolean, what: string): void {
  if (present) throw notImplemented(what);
}

/** In cents; undefined: not given, null: no budget. */
function budgetOf(given: z.infer<typeof budget>): number | null | undefined {
  return given && Number(given.max_list_cost.amount);
}
