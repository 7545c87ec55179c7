/** Parses the agent parameters of requests, and fills in the API's defaults. */
import { z } from 'zod';
import { badRequest, notFound, notImplemented } from './errors.ts';
import { metadata, parseBody } from './params.ts';
import { checkSkills } from './skills.ts';
import type { AgentVersion, SessionRecord, State } from './state.ts';
import { currentVersion } from './views.ts';

const MAX_SKILLS = 20;
const TOOL_NAMES = ['bash', 'read', 'write', 'edit', 'glob', 'grep', 'web_fetch', 'web_search'] as const;

const policy = z.strictObject({ type: z.enum(['always_allow', 'always_ask', 'auto']) });
const enabled = z
  .boolean()
  .nullish()
  .transform((value) => value ?? true);
const defaultConfig = (fallback: z.infer<typeof policy>) =>
  z
    .strictObject({ enabled, permission_policy: policy.nullish().transform((value) => value ?? fallback) })
    .nullish()
    .transform((value) => value ?? { enabled: true, permission_policy: fallback });

const toolset = z
  .strictObject({
    type: z.literal('agent_toolset_20260401'),
    default_config: defaultConfig({ type: 'always_allow' }),
    configs: z
      .array(
        z.strictObject({
          name: z.enum(TOOL_NAMES),
          type: z.enum(TOOL_NAMES).optional(),
          enabled,
          permission_policy: policy.nullish(),
        }),
      )
      .default([]),
  })
  .transform((tools) => ({
    ...tools,
    configs: tools.configs.map((c) => withDefault(c, tools.default_config)),
  }));

const mcpToolset = z
  .strictObject({
    type: z.literal('mcp_toolset'),
    mcp_server_name: z.string().min(1),
    default_config: defaultConfig({ type: 'always_ask' }),
    configs: z
      .array(z.strictObject({ name: z.string(), enabled, permission_policy: policy.nullish() }))
      .default([]),
  })
  .transform((tools) => ({
    ...tools,
    configs: tools.configs.map((c) => withDefault(c, tools.default_config)),
  }));

const customTool = z.strictObject({
  type: z.literal('custom'),
  name: z.string().min(1),
  description: z.string(),
  input_schema: z.looseObject({ type: z.literal('object') }),
});

const skill = z.strictObject({
  type: z.enum(['custom', 'anthropic']),
  skill_id: z.string().min(1),
  version: z
    .string()
    .min(1)
    .nullish()
    .transform((value) => value ?? 'latest'),
});

const fields = {
  name: z.string().min(1).max(256),
  model: z.union([
    z
      .string()
      .min(1)
      .transform((id) => ({ id })),
    z.looseObject({ id: z.string().min(1) }),
  ]),
  description: z.string().nullable(),
  system: z.string().nullable(),
  tools: z.array(z.union([toolset, mcpToolset, customTool])),
  mcp_servers: z.array(z.strictObject({ type: z.literal('url'), name: z.string(), url: z.string() })),
  skills: z.array(skill).max(MAX_SKILLS),
};

/** The body of a request that creates an agent. */
export const newAgent = z.strictObject({
  name: fields.name,
  model: fields.model,
  description: fields.description.default(null),
  system: fields.system.default(null),
  tools: fields.tools.default([]),
  mcp_servers: fields.mcp_servers.default([]),
  skills: fields.skills.default([]),
  metadata: metadata.default({}),
});

/** Fields that an update or a session may change; null empties a list. */
export const agentChanges = z.strictObject({
  name: fields.name.optional(),
  model: fields.model.optional(),
  description: fields.description.optional(),
  system: fields.system.optional(),
  tools: emptiable(fields.tools),
  mcp_servers: emptiable(fields.mcp_servers),
  skills: emptiable(fields.skills),
});

const reference = z.looseObject({ type: z.string(), id: z.string(), version: z.number().int().nullish() });
const overrides = agentChanges.omit({ name: true, description: true });

/** Throws 501 for agent features that the simulator does not support. */
export function refuseUnsupported(body: unknown): void {
  const given = (body ?? {}) as Record<string, unknown>;
  if (given.multiagent != null) throw notImplemented('multi-agent configurations');
  if (given.execution_identity != null) throw notImplemented('execution identities');
}

/** The agent that a new session pins, given as an id, as a reference with a version, or with overrides. */
export function sessionAgent(state: State, given: unknown): SessionRecord['agent'] {
  const ref = parseBody(reference, typeof given === 'string' ? { type: 'agent', id: given } : given, [
    'agent',
  ]);
  const record = state.agents.get(ref.id);
  if (!record) throw notFound('Agent', ref.id);
  if (record.archived_at !== null) throw badRequest(`Agent ${record.id} is archived.`);
  const { type, id, version, ...rest } = ref;
  const pinned =
    version == null ? currentVersion(record) : record.versions.find((v) => v.version === version);
  if (!pinned) throw notFound('Agent version', `${id} ${version}`);
  if (type !== 'agent' && type !== 'agent_with_overrides') {
    throw badRequest('agent.type: must be agent or agent_with_overrides');
  }
  if (type === 'agent' && Object.keys(rest).length > 0) {
    throw badRequest(`agent: unexpected field ${Object.keys(rest)[0]}`);
  }
  refuseUnsupported(rest);
  const changes = parseBody(overrides, rest, ['agent']);
  checkSkills(state, changes.skills);
  return { id, ...withChanges(pinned, changes) };
}

/** The agent of an existing session with changed tools or MCP servers. Throws 400 for any other change. */
export function changedAgent(agent: SessionRecord['agent'], given: unknown): SessionRecord['agent'] {
  const changes = parseBody(agentChanges.pick({ tools: true, mcp_servers: true }), given, ['agent']);
  return { id: agent.id, ...withChanges(agent, changes) };
}

export function withChanges(version: AgentVersion, changes: Record<string, unknown>): AgentVersion {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...structuredClone(version), ...Object.fromEntries(given) } as AgentVersion;
}

function withDefault<C extends { permission_policy?: unknown; name: string }>(
  config: C,
  fallback: { permission_policy: unknown },
) {
  return { ...config, permission_policy: config.permission_policy ?? fallback.permission_policy };
}

function emptiable<T>(list: z.ZodType<T[]>) {
  return list.nullish().transform((value) => (value === null ? [] : value));
}
