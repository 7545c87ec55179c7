/** Routes of the agents and their versions: `/v1/agents…`. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { agentChanges, newAgent, refuseUnsupported, withChanges } from './agent-params.ts';
import { ApiError, badRequest, notFound } from './errors.ts';
import { newId } from './ids.ts';
import { createdAtFilter, creationKey, type PageQuery, paginate } from './pagination.ts';
import { metadataPatch, parseBody, patchMetadata } from './params.ts';
import type { Service } from './service.ts';
import { checkSkills } from './skills.ts';
import type { AgentRecord, AgentVersion, State } from './state.ts';
import { agentView, currentVersion } from './views.ts';

interface OfAgent {
  Params: { agent_id: string };
}
interface ListQuery extends PageQuery, Record<string, unknown> {
  include_archived?: string;
}

const DEFAULT_PAGE = 100;

const updateBody = agentChanges.extend({
  metadata: metadataPatch,
  version: z.number().int().optional(),
});

/** Creates an agent from a request body. Throws 400 or 501. */
export function createAgent(state: State, body: unknown): AgentRecord {
  refuseUnsupported(body);
  const now = state.clock.iso();
  const params = parseBody(newAgent, body);
  checkSkills(state, params.skills);
  const version = { ...params, version: 1, updated_at: now } as AgentVersion;
  const record: AgentRecord = { id: newId('agent'), archived_at: null, created_at: now, versions: [version] };
  return state.agents.put(record.id, record);
}

export function agentRoutes(app: FastifyInstance, { state, webhooks }: Service): void {
  const agentOf = (id: string): AgentRecord => {
    const record = state.agents.get(id);
    if (!record) throw notFound('Agent', id);
    return record;
  };

  app.post('/v1/agents', { config: { fault: 'agents.create' } }, async (request) => {
    const record = createAgent(state, request.body);
    webhooks.emit('agent.created', record.id);
    return agentView(record);
  });

  app.get<{ Querystring: ListQuery }>(
    '/v1/agents',
    { config: { fault: 'agents.list' } },
    async ({ query }) => {
      const inTimeRange = createdAtFilter(query);
      const found = state.agents
        .values()
        .filter(
          (agent) =>
            (agent.archived_at === null || query.include_archived === 'true') &&
            inTimeRange(agent.created_at),
        );
      const page = paginate(found, creationKey, 'desc', query, DEFAULT_PAGE);
      return { data: page.data.map((agent) => agentView(agent)), next_page: page.next_page };
    },
  );

  app.get<OfAgent & { Querystring: { version?: string } }>(
    '/v1/agents/:agent_id',
    { config: { fault: 'agents.retrieve' } },
    async ({ params, query }) => {
      const record = agentOf(params.agent_id);
      if (query.version === undefined) return agentView(record);
      const version = record.versions.find((entry) => String(entry.version) === query.version);
      if (!version) throw notFound('Agent version', `${record.id} ${query.version}`);
      return agentView(record, version);
    },
  );

  app.post<OfAgent>('/v1/agents/:agent_id', { config: { fault: 'agents.update' } }, async (request) => {
    const record = agentOf(request.params.agent_id);
    if (record.archived_at !== null) throw badRequest(`Agent ${record.id} is archived.`);
    refuseUnsupported(request.body);
    const { metadata, version, ...changes } = parseBody(updateBody, request.body);
    checkSkills(state, changes.skills);
    const current = currentVersion(record);
    if (version !== undefined && version !== current.version) {
      throw new ApiError(409, `Agent ${record.id} is at version ${current.version}, not ${version}.`);
    }
    record.versions.push({
      ...withChanges(current, changes),
      metadata: patchMetadata(current.metadata, metadata),
      version: current.version + 1,
      updated_at: state.clock.iso(),
    });
    webhooks.emit('agent.updated', record.id);
    return agentView(state.agents.put(record.id, record));
  });

  app.get<OfAgent & { Querystring: PageQuery }>(
    '/v1/agents/:agent_id/versions',
    { config: { fault: 'agents.versions' } },
    async ({ params, query }) => {
      const record = agentOf(params.agent_id);
      const keyOf = (version: AgentVersion) => String(version.version).padStart(9, '0');
      const page = paginate(record.versions, keyOf, 'desc', query, DEFAULT_PAGE);
      return { data: page.data.map((version) => agentView(record, version)), next_page: page.next_page };
    },
  );

  app.post<OfAgent>(
    '/v1/agents/:agent_id/archive',
    { config: { fault: 'agents.archive' } },
    async (request) => {
      const record = agentOf(request.params.agent_id);
      if (record.archived_at === null) webhooks.emit('agent.archived', record.id);
      record.archived_at ??= state.clock.iso();
      return agentView(state.agents.put(record.id, record));
    },
  );
}
