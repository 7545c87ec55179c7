/** Starts a Managed Agents simulator for one test file, with clients of the unmodified SDK. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Anthropic from '@anthropic-ai/sdk';
import { type ManagedAgents, type ManagedAgentsOptions, startManagedAgents } from '../anthropic/server.ts';

export type SessionEvent = Anthropic.Beta.Sessions.BetaManagedAgentsSessionEvent;
export type ToolUse = Anthropic.Beta.Sessions.BetaManagedAgentsAgentToolUseEvent;
export type Work = Anthropic.Beta.Environments.BetaSelfHostedWork;

export interface Fixture extends ManagedAgents {
  stateDir: string;
  /** With the organisation's key. */
  organization: Anthropic;
  /** With the environment's key. */
  environment: Anthropic;
  withToken(token: string): Anthropic;
  admin(method: string, path: string, body?: unknown): Promise<Record<string, never>>;
  set(switches: Record<string, string>): Promise<void>;
  /** Starts a session with a user message. Returns the session's id. */
  startSession(text: string): Promise<string>;
  /** Waits until an event of the session satisfies the test, and returns all events; fails after five seconds. */
  eventsUntil(session: string, test: (event: SessionEvent) => boolean): Promise<SessionEvent[]>;
  /** Waits until the session has `count` tool calls, and returns them. */
  calls(session: string, count: number): Promise<ToolUse[]>;
  result(call: string, text: string): Anthropic.Beta.Sessions.BetaManagedAgentsUserToolResultEventParams;
  send(session: string, ...events: Anthropic.Beta.Sessions.BetaManagedAgentsEventParams[]): Promise<unknown>;
  /** Polls for a work item; fails if there is none. */
  poll(reclaimMs?: number): Promise<Work>;
}

export async function startFixture(options: Partial<ManagedAgentsOptions> = {}): Promise<Fixture> {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'managed-agents-')));
  const server = await startManagedAgents({ modelDelayMs: 1, ...options, stateDir });
  const withToken = (authToken: string) => clientOf(server.url, authToken);
  const organization = withToken(server.apiKey);
  const environment = withToken(server.environmentKey);
  const list = async (session: string) => {
    const events: SessionEvent[] = [];
    for await (const event of organization.beta.sessions.events.list(session)) events.push(event);
    return events;
  };
  const eventsWhen = async (session: string, test: (events: SessionEvent[]) => boolean) => {
    let events: SessionEvent[] = [];
    for (let attempt = 0; attempt < 250; attempt += 1) {
      events = await list(session);
      if (test(events)) return events;
      await delay(20);
    }
    throw new Error(`not seen in five seconds; there is ${events.map((event) => event.type).join(', ')}`);
  };
  const admin: Fixture['admin'] = async (method, path, body) => {
    const response = await fetch(`${server.url}/_admin${path}`, {
      method,
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Record<string, never>;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    ...server,
    stateDir,
    organization,
    environment,
    withToken,
    admin,
    set: async (switches) => void (await admin('PATCH', '/switches', switches)),
    startSession: async (text) => {
      const session = await organization.beta.sessions.create({
        agent: server.agentId,
        environment_id: server.environmentId,
        initial_events: [message(text)],
      });
      return session.id;
    },
    eventsUntil: (session, test) => eventsWhen(session, (events) => events.some(test)),
    calls: async (session, count) => {
      const isCall = (event: SessionEvent): event is ToolUse => event.type === 'agent.tool_use';
      const events = await eventsWhen(session, (all) => all.filter(isCall).length >= count);
      return events.filter(isCall);
    },
    result: (call, text) => ({
      type: 'user.tool_result',
      tool_use_id: call,
      content: [{ type: 'text', text }],
    }),
    send: (session, ...events) => organization.beta.sessions.events.send(session, { events }),
    poll: async (reclaim_older_than_ms) => {
      const params = reclaim_older_than_ms === undefined ? {} : { reclaim_older_than_ms };
      const work = await environment.beta.environments.work.poll(server.environmentId, params);
      if (!work) throw new Error('the queue is empty');
      return work;
    },
    close: async () => {
      await server.close();
      if (!options.stateDir) await rm(stateDir, { recursive: true, force: true });
    },
  };
}

export function clientOf(baseURL: string, authToken: string): Anthropic {
  return new Anthropic({ baseURL, authToken, apiKey: null, maxRetries: 0, timeout: 5_000, logLevel: 'off' });
}

export function message(text: string): Anthropic.Beta.Sessions.BetaManagedAgentsUserMessageEventParams {
  return { type: 'user.message', content: [{ type: 'text', text }] };
}

/** The text of a message that makes the scripted model take these steps. */
export function script(...steps: unknown[]): string {
  return `Please:\n\`\`\`tools\n${JSON.stringify(steps)}\n\`\`\``;
}

export function bash(command: string, more: Record<string, unknown> = {}) {
  return { name: 'bash', input: { command }, ...more };
}

export function isIdle(event: SessionEvent, reason: string): boolean {
  return event.type === 'session.status_idle' && event.stop_reason.type === reason;
}

export const turnEnded = (event: SessionEvent): boolean => isIdle(event, 'end_turn');

/** The texts of the agent's messages. */
export function agentMessages(events: SessionEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'agent.message'
      ? [event.content.map((block) => (block.type === 'text' ? block.text : '')).join('')]
      : [],
  );
}

/** Status of a call: that of its error, or 200. */
export async function statusOf(call: PromiseLike<unknown>): Promise<number | undefined> {
  try {
    await call;
    return 200;
  } catch (error) {
    if (error instanceof Anthropic.APIError) return error.status;
    throw error;
  }
}
