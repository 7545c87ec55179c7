/** Converts records into the objects of the API. */
import type {
  AgentRecord,
  AgentVersion,
  EnvironmentRecord,
  SessionRecord,
  State,
  ThreadRecord,
  WorkRecord,
} from './state.ts';

export function environmentView(record: EnvironmentRecord): Record<string, unknown> {
  return { ...record };
}

/** An agent at one of its versions, by default the current one. */
export function agentView(record: AgentRecord, version = currentVersion(record)): Record<string, unknown> {
  return {
    id: record.id,
    type: 'agent',
    ...version,
    execution_identity: { type: 'service_account' },
    multiagent: null,
    created_at: record.created_at,
    archived_at: record.archived_at,
  };
}

/** Every agent has at least one version. */
export function currentVersion(record: AgentRecord): AgentVersion {
  return record.versions.at(-1) as AgentVersion;
}

/** The status that clients see. By the switch `archived-status`, an archived session is `terminated`. */
export function shownStatus(record: SessionRecord, state: State): string {
  const asTerminated = record.archived_at !== null && state.switches.get('archived-status') === 'terminated';
  return asTerminated ? 'terminated' : record.status;
}

export function sessionView(record: SessionRecord, state: State): Record<string, unknown> {
  return {
    id: record.id,
    type: 'session',
    status: shownStatus(record, state),
    title: record.title,
    environment_id: record.environment_id,
    agent: sessionAgentView(record),
    metadata: record.metadata,
    vault_ids: record.vault_ids,
    resources: record.resources,
    outcome_evaluations: [],
    budget: budgetView(record),
    deployment_id: null,
    stats: { duration_seconds: (state.clock.now() - Date.parse(record.created_at)) / 1000 },
    usage: usageView(record).usage,
    created_at: record.created_at,
    updated_at: record.updated_at,
    archived_at: record.archived_at,
  };
}

/** The usage and budget of a session. */
export function usageView(record: SessionRecord): Record<string, unknown> {
  const { cents, inputTokens, outputTokens } = record.spending;
  return {
    usage: {
      input_tokens: inputTokens,
      output_tokens: outputTokens,
      cache_read_input_tokens: 0,
      list_cost: dollars(cents),
    },
    budget: budgetView(record),
  };
}

function budgetView({ spending }: SessionRecord): unknown {
  if (spending.budgetCents === null) return null;
  return { type: 'limit', max_list_cost: dollars(spending.budgetCents) };
}

function dollars(cents: number): { amount: string; currency: 'USD' } {
  return { amount: String(cents), currency: 'USD' };
}

/** The primary thread of a session, or a child thread. */
export function threadView(
  record: SessionRecord,
  state: State,
  child: ThreadRecord | null = null,
): Record<string, unknown> {
  const { created_at, updated_at, archived_at } = child ?? record;
  return {
    id: child?.id ?? record.threadId,
    type: 'session_thread',
    session_id: record.id,
    parent_thread_id: child ? record.threadId : null,
    workflow_run_id: null,
    agent: child ? inlineAgentView(record, child) : sessionAgentView(record),
    status: child?.status ?? shownStatus(record, state),
    stats: null,
    usage: null,
    created_at,
    updated_at,
    archived_at,
  };
}

/** The agent of a child thread: the session's agent under the thread's name. */
function inlineAgentView(record: SessionRecord, child: ThreadRecord): Record<string, unknown> {
  const { id, version, multiagent, ...agent } = sessionAgentView(record);
  return { ...agent, type: 'inline', name: child.name, description: null };
}

function sessionAgentView(record: SessionRecord): Record<string, unknown> {
  const { updated_at, metadata, ...agent } = record.agent;
  return { ...agent, type: 'agent', execution_identity: { type: 'service_account' }, multiagent: null };
}

/** Only polls return a `secret`. */
export function workView(item: WorkRecord, secret: string | null = null): Record<string, unknown> {
  const { deliveredAt, heartbeat, ttlSeconds, lapsed, ...shown } = item;
  return { ...shown, type: 'work', secret };
}

/** The `secret` of a work item: base64url-encoded JSON. */
export function workSecret(token: string | null, apiBaseUrl: string): string | null {
  if (token === null) return null;
  const payload = JSON.stringify({ sessions_token: token, api_base_url: apiBaseUrl });
  return Buffer.from(payload).toString('base64url');
}
