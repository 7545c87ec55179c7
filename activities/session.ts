// A session at Anthropic, looked at and answered.
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import type { CallResult } from '../workflows/session-state.ts';
import type { Deps } from './deps.ts';
import { classify, scrub } from './errors.ts';
import { asItem } from './item-secret.ts';
import { guard } from './running.ts';

export interface SessionSeen {
  /** Whether it belongs to our environment. */
  ours: boolean;
  /** Whether a turn is under way. */
  live: boolean;
  /** Set where no turn can follow any more. */
  ended: 'terminated' | 'archived' | 'deleted' | null;
}

export type Posted =
  | { outcome: 'accepted' }
  /** Somebody's result is there already, or the call was closed. */
  | { outcome: 'answered' }
  /** Never to be accepted. */
  | { outcome: 'refused'; reason: string };

export interface PostArgs {
  sessionId: string;
  callId: string;
  result: CallResult;
  sealedSecret: string | null;
}

export function createSessionActivities(deps: Deps) {
  const client = deps.anthropic.environment;
  return {
    lookAtSession: guard(async (args: { sessionId: string; environmentId: string }): Promise<SessionSeen> => {
      try {
        const session = await client.beta.sessions.retrieve(args.sessionId);
        if (session.environment_id !== args.environmentId) return { ours: false, live: false, ended: null };
        if (session.archived_at) return { ours: true, live: false, ended: 'archived' };
        if (session.status === 'terminated') return { ours: true, live: false, ended: 'terminated' };
        const live = session.status !== 'idle' || (await waitsForResults(client, args.sessionId));
        return { ours: true, live, ended: null };
      } catch (error) {
        // Not ours to see: of another environment, or deleted.
        const status = error instanceof APIError ? error.status : undefined;
        if (status === 404 || status === 403) return { ours: false, live: false, ended: 'deleted' };
        throw error;
      }
    }),

    postResult: guard((args: PostArgs): Promise<Posted> => postOnce(deps, args)),
  };
}

/**
 * Posts a tool's result. Safe to repeat: where the outcome is in doubt, the session's events decide.
 * @throws an error worth a retry
 */
export async function postOnce(deps: Pick<Deps, 'anthropic' | 'config'>, args: PostArgs): Promise<Posted> {
  const { sessionId, callId, result, sealedSecret } = args;
  const event = {
    type: 'user.tool_result' as const,
    tool_use_id: callId,
    content: result.content,
    is_error: result.isError,
  };
  return asItem(deps, sealedSecret, async (client) => {
    try {
      await client.beta.sessions.events.send(sessionId, { events: [event] });
      return { outcome: 'accepted' };
    } catch (error) {
      if (error instanceof APIError && (error.status === 401 || error.status === 403)) throw error;
      if (error instanceof APIError && error.status === 404) return refused(error);
      const closed = await isClosed(client, sessionId, callId).catch(() => false);
      if (closed) return { outcome: 'answered' };
      if (error instanceof APIError && error.status === 409 && (await hasEnded(client, sessionId)))
        return refused(error);
      if (classify(error).kind === 'final') return refused(error);
      throw error;
    }
  });
}

/** Whether the events say that this call has a result, or was interrupted. */
async function isClosed(client: Anthropic, sessionId: string, callId: string): Promise<boolean> {
  const types = ['agent.tool_use', 'user.tool_result', 'agent.tool_result', 'user.interrupt'];
  let interrupted = false;
  for await (const event of client.beta.sessions.events.list(sessionId, {
    limit: 1000,
    order: 'desc',
    types,
  })) {
    if ('tool_use_id' in event && event.tool_use_id === callId) return true;
    if (event.type === 'user.interrupt') interrupted = true;
    if (event.id === callId) return interrupted;
  }
  return false;
}

async function hasEnded(client: Anthropic, sessionId: string): Promise<boolean> {
  const { status, archived_at } = await client.beta.sessions.retrieve(sessionId);
  return status === 'terminated' || archived_at !== null;
}

/** Whether the last word of an idle session is that it waits for tool results. */
async function waitsForResults(client: Anthropic, sessionId: string): Promise<boolean> {
  const query = { limit: 1, order: 'desc' as const, types: ['session.status_idle'] };
  const { data } = await client.beta.sessions.events.list(sessionId, query);
  const last = data[0];
  return last?.type === 'session.status_idle' && last.stop_reason.type === 'requires_action';
}

function refused(error: unknown): Posted {
  return { outcome: 'refused', reason: scrub(error instanceof Error ? error.message : String(error)) };
}
