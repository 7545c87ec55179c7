// Inspects a session at Anthropic: its environment, its status, its orphaned calls.
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSession } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { InspectArgs, SessionInspection } from '../../workflows/contract.ts';
import { MOST_CALLS_IN_MESSAGE } from '../../workflows/messages.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { SessionView } from './session-view.ts';

const AGENT_ID_CHARS = 200;

export function createSessionActivities(deps: Deps) {
  const client = deps.anthropic.environment;
  return {
    inspectSession: defineActivity((args: InspectArgs) => inspectSession(client, args)),
  };
}

/** The status of a session and, where asked for, its orphaned calls. */
export async function inspectSession(client: Anthropic, args: InspectArgs): Promise<SessionInspection> {
  const fate = await inspectStatus(client, args.sessionId, args.environmentId);
  return {
    ...fate,
    ...(args.orphanedCalls && fate.live ? await unwatched(client, args) : { orphanedCalls: [] }),
  };
}

/** The status of a session, without its calls. */
export async function inspectStatus(
  client: Anthropic,
  sessionId: string,
  environmentId: string,
): Promise<Omit<SessionInspection, 'orphanedCalls'>> {
  try {
    const session = await client.beta.sessions.retrieve(sessionId);
    if (session.environment_id !== environmentId) return { ours: false, live: false, ended: null };
    const ours = { ours: true, ...agentOf(session) };
    if (session.archived_at) return { ...ours, live: false, ended: 'archived' };
    if (session.status === 'terminated') return { ...ours, live: false, ended: 'terminated' };
    const live = session.status !== 'idle' || (await waitsForResults(client, sessionId));
    return { ...ours, live, ended: null };
  } catch (error) {
    const status = error instanceof APIError ? error.status : undefined;
    if (status === 404) return { ours: false, live: false, ended: 'deleted' };
    // The key of an environment sees no session of another one.
    if (status === 403) return { ours: false, live: false, ended: null };
    throw error;
  }
}

/** The agent by which people find the session; nothing that could not be a search attribute. */
export function agentOf(session: Pick<BetaManagedAgentsSession, 'agent'> | null): { agentId?: string } {
  const agentId: unknown = session?.agent?.id;
  return typeof agentId === 'string' && agentId.length <= AGENT_ID_CHARS ? { agentId } : {};
}

/** While the session has a work item that is not stopped, its calls are not orphaned: a worker has it, or will. */
async function unwatched(
  client: Anthropic,
  { sessionId, environmentId, known = [] }: InspectArgs,
): Promise<Pick<SessionInspection, 'orphanedCalls' | 'closed' | 'waiting'>> {
  for await (const item of client.beta.environments.work.list(environmentId, { limit: 100 })) {
    if (item.data.id === sessionId && item.state !== 'stopped') return { orphanedCalls: [] };
  }
  const view = new SessionView(known, null);
  for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000 })) view.apply(event);
  const { opened, closed, change } = view.report();
  // The next inspection finds the rest, when these are known.
  return {
    orphanedCalls: opened.slice(0, MOST_CALLS_IN_MESSAGE),
    ...(closed.length > 0 ? { closed } : {}),
    ...(change?.change === 'waiting' ? { waiting: true } : {}),
  };
}

/** Whether an idle session waits for tool results. */
async function waitsForResults(client: Anthropic, sessionId: string): Promise<boolean> {
  const query = { limit: 1, order: 'desc' as const, types: ['session.status_idle' as const] };
  const { data } = await client.beta.sessions.events.list(sessionId, query);
  const last = data[0];
  return last?.type === 'session.status_idle' && last.stop_reason.type === 'requires_action';
}
