/**
 * The services for the conformance tests. `npm run test:real` uses the real services, with the keys and URLs in the
 * environment; every other run starts a simulator. Objects are named after the run and removed at its end.
 */
import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import { Sandbox, type SandboxOpts } from 'e2b';
import { startE2BSimulator } from '../../simulators/test/e2b-simulator.ts';
import { startFixture } from '../../simulators/test/managed-agents.ts';

const isReal = process.env.CONFORMANCE === 'real';
const run = `conformance-${randomUUID()}`;

/** Time-outs, longer for the real services and the real model. */
export const patience = { timeout: isReal ? 120_000 : 15_000 };

export interface E2BService {
  Sandbox: typeof Sandbox;
  /** Creates a sandbox of the template `base`, which is killed when the service is closed. */
  create(options?: SandboxOpts): Promise<Sandbox>;
  end(): Promise<void>;
}

export async function e2bService(): Promise<E2BService> {
  const local = isReal ? undefined : await startE2BSimulator();
  const bound = local?.Sandbox ?? Sandbox;
  return {
    Sandbox: bound,
    create: ({ metadata, ...options } = {}) =>
      bound.create('base', { timeoutMs: 300_000, ...options, metadata: { ...metadata, run } }),
    end: async () => {
      const pages = bound.list({ query: { metadata: { run }, state: ['running', 'paused'] } });
      while (pages.hasNext) for (const { sandboxId } of await pages.nextItems()) await bound.kill(sandboxId);
      await local?.end();
    },
  };
}

export interface ManagedAgentsService {
  /** A client with the organisation's key. */
  organization: Anthropic;
  /** A client of the same service with another credential. */
  withToken(token: string): Anthropic;
  /** A self-hosted environment with its own key. */
  environmentId: string;
  environmentKey: string;
  /** An agent of this run with the agent toolset. */
  agentId: string;
  /** Makes a name by which a person recognises objects that a run has left behind. */
  name(what: string): string;
  end(): Promise<void>;
}

export async function managedAgentsService(): Promise<ManagedAgentsService> {
  const local = isReal ? undefined : await startFixture();
  const organization = local?.organization ?? new Anthropic();
  const environmentId = local?.environmentId ?? required('ANTHROPIC_ENVIRONMENT_ID');
  const environmentKey = local?.environmentKey ?? required('ANTHROPIC_ENVIRONMENT_KEY');
  const name = (what: string) => `${run} ${what}`;
  const agent = await organization.beta.agents.create({
    name: name('agent'),
    model: 'claude-haiku-4-5',
    tools: [{ type: 'agent_toolset_20260401' }],
  });
  return {
    organization,
    withToken: (authToken) => new Anthropic({ baseURL: organization.baseURL, authToken, apiKey: null }),
    environmentId,
    environmentKey,
    agentId: agent.id,
    name,
    end: async () => {
      const { sessions, agents } = organization.beta;
      for await (const { id } of sessions.list({ agent_id: agent.id, include_archived: true }))
        await sessions.delete(id);
      await agents.archive(agent.id);
      await local?.close();
    },
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`the tests against Managed Agents need ${name}: see docs/conformance.md`);
}
