// One tool call as the session's events tell it, for who did not watch them.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEventType } from '@anthropic-ai/sdk/resources/beta/sessions/events';

const TYPES = [
  'agent.tool_use',
  'user.tool_result',
  'agent.tool_result',
  'user.interrupt',
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
  for await (const event of client.beta.sessions.events.list(sessionId, newestFirst)) {
    if (event.type === 'user.interrupt') closed = true;
    if ('tool_use_id' in event && event.tool_use_id === callId) closed = true;
    if (event.type === 'agent.tool_use' && event.id === callId) return { closed, input: event.input };
  }
  return { closed };
}
