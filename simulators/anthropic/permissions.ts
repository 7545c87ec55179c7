/** Applies an agent's tool configuration to a call: its event, whether the service runs it, and its permission. */
import type { Call, Permission } from './script.ts';
import type { AgentVersion, CallKind } from './state.ts';

/** Tools of the agent toolset that the service itself runs, even for self-hosted environments. */
const SERVER_TOOLS = new Set(['web_search', 'web_fetch']);

interface Policy {
  type: 'always_allow' | 'always_ask' | 'auto';
}

interface Toolset {
  type: string;
  name?: string;
  mcp_server_name?: string;
  configs?: { name: string; permission_policy: Policy }[];
  default_config?: { permission_policy: Policy };
}

export interface Announcement {
  kind: CallKind;
  serverSide: boolean;
  permission: Permission;
  /** Fields of the event. */
  fields: Record<string, unknown>;
}

/** The event with which the service announces a tool call of the model. */
export function announcementOf(call: Call, agent: AgentVersion): Announcement {
  const { name, input } = call;
  const tools = agent.tools as unknown as Toolset[];
  if (tools.some((tool) => tool.type === 'custom' && tool.name === name)) {
    const fields = { name, input };
    return { kind: 'agent.custom_tool_use', serverSide: false, permission: 'allow', fields };
  }
  const policy = policyFor(call, tools);
  const permission = call.permission ?? (policy === 'always_ask' ? 'ask' : 'allow');
  const evaluated = {
    name,
    input,
    evaluated_permission: permission,
    evaluation: evaluation(policy, permission, call.permission !== undefined),
  };
  if (call.mcp_server !== undefined) {
    const fields = { ...evaluated, mcp_server_name: call.mcp_server };
    return { kind: 'agent.mcp_tool_use', serverSide: true, permission, fields };
  }
  return { kind: 'agent.tool_use', serverSide: SERVER_TOOLS.has(name), permission, fields: evaluated };
}

function policyFor(call: Call, tools: Toolset[]): Policy['type'] {
  const mcp = call.mcp_server;
  const toolset = tools.find((tool) =>
    mcp === undefined ? tool.type === 'agent_toolset_20260401' : tool.mcp_server_name === mcp,
  );
  const config = toolset?.configs?.find((entry) => entry.name === call.name) ?? toolset?.default_config;
  return config?.permission_policy.type ?? (mcp === undefined ? 'always_allow' : 'always_ask');
}

/** A permission from the script is reported like a decision of the `auto` policy. */
function evaluation(policy: Policy['type'], permission: Permission, overridden: boolean): unknown {
  if (!overridden && policy !== 'auto') return { type: policy };
  const reason = permission === 'allow' ? {} : { reason_code: 'scripted' };
  return { type: 'auto', evaluated_permission: { type: permission, ...reason } };
}
