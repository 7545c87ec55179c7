// One tool call according to the session's events, for a process that did not watch them.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEventType } from '@anthropic-ai/sdk/resources/beta/sessions/events';

const TYPES = [
  'agent.tool_use',
  'user.tool_result',
  'agent.tool_result',
  'user.interrupt',
  'session.status_idle',
  'session.thread_created',
  'session.thread_status_terminated',
] satisfies BetaManagedAgentsSessionEventType[];
/** An open call is among the newest events, however long the session is; results before it may have 100 KB each. */
const FIRST_PAGE = 20;
/** Many calls were made at once, or the call has been closed for long. */
const PAGE = 100;

export interface CallEvents {
  /** The service does not wait for a result: it has one, or the call was interrupted. */
  closed: boolean;
  /** Undefined if the session does not hold the call. */
  input?: unknown;
  /** Of the subagent that made the call. */
  threadId?: string;
}

/** Reads the session's events from the newest back to the call. */
export async function findCall(client: Anthropic, sessionId: string, callId: string): Promise<CallEvents> {
  const list = (limit: number) =>
    client.beta.sessions.events.list(sessionId, { limit, order: 'desc', types: TYPES });
  const newest = await list(FIRST_PAGE);
  const events = newest.data.some(({ id }) => id === callId) ? newest : await list(PAGE);
  let closed = false;
  /** The session said that it waits for the call, and no interrupt came after that. */
  let awaited = false;
  /** Threads that were interrupted after the call; null: all of them. */
  const interrupted = new Set<string | null>();
  const terminated = new Set<string>();
  let call: CallEvents | null = null;
  for await (const event of events) {
    // The threads of a workflow run are not interrupted: their creation, further back, says whether it is one.
    if (call) {
      if (event.type !== 'session.thread_created' || event.session_thread_id !== call.threadId) continue;
      return { ...call, closed: event.workflow_run_id == null };
    }
    if (event.type === 'user.interrupt') interrupted.add(event.session_thread_id ?? null);
    if (event.type === 'session.thread_status_terminated') terminated.add(event.session_thread_id);
    if (event.type === 'session.status_idle' && event.stop_reason.type === 'requires_action')
      awaited ||= interrupted.size === 0 && event.stop_reason.event_ids.includes(callId);
    if ('tool_use_id' in event && event.tool_use_id === callId) closed = true;
    if (event.type !== 'agent.tool_use' || event.id !== callId) continue;
    // A call without a thread is the primary thread's, but an interrupt of that thread may name its id.
    const { session_thread_id: threadId, input } = event;
    const found = { input, ...(threadId ? { threadId } : {}) };
    if (closed || (threadId && terminated.has(threadId))) return { ...found, closed: true };
    const stopped = interrupted.has(null) || (threadId ? interrupted.has(threadId) : false);
    if (!stopped || awaited) return { ...found, closed: false };
    call = { ...found, closed: true };
    if (!threadId) return call;
  }
  return call ?? { closed };
}
