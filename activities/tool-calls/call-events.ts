// One tool call as the session's events tell it, for who did not watch them.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEventType } from '@anthropic-ai/sdk/resources/beta/sessions/events';

const TYPES = [
  'agent.tool_use',
  'user.tool_result',
  'agent.tool_result',
  'user.interrupt',
  'session.thread_status_terminated',
] satisfies BetaManagedAgentsSessionEventType[];

export interface CallEvents {
  /** Has a result, whoever's it is, or was interrupted: nobody waits for one any more. */
  closed: boolean;
  /** Undefined if the session does not hold the call. */
  input?: unknown;
}

/** Reads the session's events from the newest back to the call. */
export async function findCall(client: Anthropic, sessionId: string, callId: string): Promise<CallEvents> {
  const newestFirst = { limit: 1000, order: 'desc' as const, types: TYPES };
  let closed = false;
  /** Threads that were interrupted or ended after the call; null: all of them. */
  const ended = new Set<string | null>();
  for await (const event of client.beta.sessions.events.list(sessionId, newestFirst)) {
    if (event.type === 'user.interrupt') ended.add(event.session_thread_id ?? null);
    if (event.type === 'session.thread_status_terminated') ended.add(event.session_thread_id);
    if ('tool_use_id' in event && event.tool_use_id === callId) closed = true;
    if (event.type !== 'agent.tool_use' || event.id !== callId) continue;
    // A call of the primary thread names none, so that an interrupt of it cannot be told from one of a subagent's.
    const { session_thread_id: thread, input } = event;
    return { closed: closed || ended.has(null) || (thread ? ended.has(thread) : false), input };
  }
  return { closed };
}
