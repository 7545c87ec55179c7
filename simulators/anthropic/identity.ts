/** The contents of a new simulator: credentials, a self-hosted environment with its key, an agent, a webhook endpoint. */
import { newAdminToken, newApiKey, newEnvironmentKey, newId, newSigningKey } from './ids.ts';
import { RECOMMENDED_TYPES } from './routes-admin.ts';
import { createAgent } from './routes-agents.ts';
import { createEnvironment } from './routes-environments.ts';
import type { Identity, State } from './state.ts';

export interface IdentityOptions {
  webhookUrl?: string | undefined;
  adminToken?: string | undefined;
}

/** Reads the identity from the state, or creates it. A given webhook URL or admin token replaces the stored one. */
export async function openIdentity(state: State, options: IdentityOptions): Promise<Identity> {
  const identity = (state.settings.get('identity') as Identity | undefined) ?? createIdentity(state);
  if (options.adminToken) identity.adminToken = options.adminToken;
  state.settings.put('identity', identity);
  const endpoint = state.endpoints.get(identity.endpointId);
  if (endpoint && options.webhookUrl) {
    Object.assign(endpoint, { url: options.webhookUrl, disabled: null });
    state.endpoints.put(endpoint.id, endpoint);
  }
  await state.store.save();
  return identity;
}

function createIdentity(state: State): Identity {
  const environment = createEnvironment(state, { name: 'self-hosted', config: { type: 'self_hosted' } });
  const agent = createAgent(state, {
    name: 'Scripted agent',
    model: 'claude-opus-5-5',
    tools: [{ type: 'agent_toolset_20260401' }],
  });
  const endpoint = {
    id: newId('whep'),
    url: null,
    types: RECOMMENDED_TYPES,
    secret: newSigningKey(),
    disabled: null,
  };
  const environmentKey = newEnvironmentKey();
  state.keys.put(environmentKey, environment.id);
  state.endpoints.put(endpoint.id, endpoint);
  return {
    apiKey: newApiKey(),
    apiKeyId: newId('apikey'),
    adminToken: newAdminToken(),
    environmentId: environment.id,
    environmentKey,
    agentId: agent.id,
    endpointId: endpoint.id,
    organizationId: newId('org'),
    workspaceId: newId('wrkspc'),
  };
}
