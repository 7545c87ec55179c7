/** A sample body with all fields for each route that reads a body, by route name. */
const text = { type: 'text', text: 'Hello.' };
const tools = [
  {
    type: 'agent_toolset_20260401',
    default_config: { enabled: true, permission_policy: { type: 'always_allow' } },
    configs: [{ name: 'bash', type: 'bash', enabled: true, permission_policy: { type: 'always_ask' } }],
  },
  {
    type: 'mcp_toolset',
    mcp_server_name: 'issues',
    default_config: { enabled: true, permission_policy: { type: 'always_ask' } },
    configs: [{ name: 'search', enabled: false, permission_policy: { type: 'auto' } }],
  },
  { type: 'custom', name: 'ask', description: 'Asks.', input_schema: { type: 'object' } },
];
const mcp_servers = [{ type: 'url', name: 'issues', url: 'https://mcp.example.com' }];
const metadata = { team: 'a' };
const agent = (ids: Record<string, string>) => ({
  name: 'Helper',
  model: { id: 'claude-opus-5-5' },
  description: 'Helps.',
  system: 'Help.',
  tools,
  mcp_servers,
  skills: [{ type: 'custom', skill_id: ids.skill_id, version: 'latest' }],
  metadata,
});
const environment = {
  name: 'mine',
  config: { type: 'self_hosted' },
  description: 'Mine.',
  metadata,
  scope: 'organization',
};
const budget = { type: 'limit', max_list_cost: { amount: '100', currency: 'USD' } };
const store = { name: 'notes', description: 'Notes.', metadata };
const result = {
  content: [
    text,
    { type: 'image', source: { type: 'base64' } },
    { type: 'search_result', source: 's', title: 't', content: [text] },
  ],
  is_error: false,
};
const sha = 'a'.repeat(64);

export const BODIES: Record<string, (ids: Record<string, string>) => unknown> = {
  'environments.create': () => environment,
  'environments.update': () => environment,
  'work.update': () => ({ metadata }),
  'work.stop': () => ({ force: true }),
  'agents.create': agent,
  'agents.update': (ids) => ({ ...agent(ids), version: 2 }),
  'sessions.create': (ids) => ({
    agent: {
      type: 'agent_with_overrides',
      id: ids.agent_id,
      version: 1,
      system: 'Help.',
      tools,
      mcp_servers,
    },
    environment_id: ids.environment_id,
    title: 'A session',
    metadata,
    initial_events: [{ type: 'user.message', content: [text] }],
    resources: [
      {
        type: 'memory_store',
        memory_store_id: ids.memory_store_id,
        access: 'read_only',
        instructions: 'Read.',
      },
    ],
    vault_ids: [],
    budget,
  }),
  'sessions.update': () => ({ title: 'A session', metadata, agent: { tools, mcp_servers }, budget }),
  'events.send': () => ({
    events: [
      { type: 'user.message', content: [text, { type: 'document', source: { type: 'text' } }] },
      { type: 'user.interrupt', session_thread_id: 'sthr_1' },
      { type: 'user.tool_result', tool_use_id: 'sevt_1', ...result },
      { type: 'user.custom_tool_result', custom_tool_use_id: 'sevt_2', ...result },
      { type: 'user.tool_confirmation', tool_use_id: 'sevt_3', result: 'deny', deny_message: 'No.' },
      { type: 'system.message', content: [text] },
    ],
  }),
  'memory_stores.create': () => store,
  'memory_stores.update': () => store,
  'memories.create': () => ({ path: '/b', content: 'B' }),
  'memories.update': () => ({
    path: '/b',
    content: 'B',
    precondition: { type: 'content_sha256', content_sha256: sha },
  }),
};
