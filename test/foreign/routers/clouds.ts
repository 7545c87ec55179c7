/** Starts both simulators for a third-party router, with the objects that a user creates in the two consoles. */
import { expect } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import {
  agentMessages,
  type Fixture,
  message,
  startFixture,
  turnEnded,
} from '../../../simulators/test/managed-agents.ts';
import type { Running } from '../programs.ts';

export interface Clouds {
  managed: Fixture;
  e2b: E2BSimulator;
  agentId: string;
  environmentId: string;
  environmentKey: string;
  /** Registers the router's webhook endpoint. Returns its signing key. */
  webhook(url: string, ...types: string[]): Promise<string>;
  /** Environment variables for the SDKs of both services. */
  addresses: Record<string, string>;
  end(): Promise<void>;
}

export async function startClouds(): Promise<Clouds> {
  // Routers that list the events before they open the stream depend on a slow model.
  const managed = await startFixture({ modelDelayMs: 1500 });
  const e2b = await startE2BSimulator({ hostPorts: [Number(new URL(managed.url).port)] });
  const { agents, environments } = managed.organization.beta;
  const agent = await agents.create({
    name: 'worker',
    model: 'claude-sonnet-5',
    tools: [{ type: 'agent_toolset_20260401' }],
  });
  const environment = await environments.create({ name: 'mine', config: { type: 'self_hosted' } });
  const { key = '' } = await managed.admin('POST', `/environments/${environment.id}/keys`);
  return {
    managed,
    e2b,
    agentId: agent.id,
    environmentId: environment.id,
    environmentKey: key,
    webhook: async (url, ...types) => {
      const { secret = '' } = await managed.admin('POST', '/webhooks', { url, types });
      return secret;
    },
    addresses: {
      ANTHROPIC_BASE_URL: managed.url,
      E2B_API_KEY: e2b.apiKey,
      E2B_API_URL: e2b.url,
      E2B_SANDBOX_URL: e2b.url,
    },
    end: async () => {
      await e2b.end();
      await managed.close();
    },
  };
}

export async function openSession({ managed, agentId, environmentId }: Clouds): Promise<string> {
  return (await managed.organization.beta.sessions.create({ agent: agentId, environment_id: environmentId }))
    .id;
}

/**
 * Sends a message and waits for the end of the turn. Returns the lines of the agent's last message. If the turn does not
 * end, throws an error with the router's output.
 */
export async function turn(
  { managed }: Clouds,
  router: Running,
  session: string,
  text: string,
): Promise<string[]> {
  const turns = async () => {
    const events = [];
    for await (const event of managed.organization.beta.sessions.events.list(session)) events.push(event);
    return { count: events.filter(turnEnded).length, answers: agentMessages(events) };
  };
  const { count } = await turns();
  await managed.send(session, message(text));
  await expect
    .poll(async () => (await turns()).count, { timeout: 60_000, interval: 200 })
    .toBe(count + 1)
    .catch((error: Error) => {
      throw new Error(`${error.message}\n${router.output()}`);
    });
  return ((await turns()).answers.at(-1) ?? '').split('\n').filter(Boolean);
}

/** The states of a session's work items. */
export async function items({ managed, environmentId, environmentKey }: Clouds): Promise<string[]> {
  const { work } = managed.withToken(environmentKey).beta.environments;
  return (await work.list(environmentId)).data.map((item) => item.state);
}

/** Ids and states of all sandboxes. */
export async function sandboxes({ e2b }: Clouds): Promise<Record<string, string>> {
  const pages = e2b.Sandbox.list();
  const found = [];
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  return Object.fromEntries(found.map(({ sandboxId, state }) => [sandboxId, state]));
}

/** Advances the clock of the sandboxes, and waits until the only sandbox is paused. */
export async function passUntilPaused(clouds: Clouds, seconds: number): Promise<void> {
  await clouds.e2b.admin('POST', '/clock', { advanceMs: seconds * 1000 });
  await expect
    .poll(async () => Object.values(await sandboxes(clouds)), { timeout: 15_000 })
    .toEqual(['paused']);
}
