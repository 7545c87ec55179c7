// Which calls of a session wait for a confirmation, as the service itself tells it.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { excerpt } from '../../clients/excerpt.ts';

export type Verdict = 'allow' | 'deny';

export interface AskedCall {
  id: string;
  /** Its tool, and what it is to do: at most 160 characters. */
  what: string;
  /** `waiting`: for a confirmation. A verdict: it was confirmed so. `closed`: no confirmation is wanted any more. */
  state: 'waiting' | Verdict | 'closed';
}

/** Enough for the calls of a turn; earlier turns have none that waits. */
const MOST_EVENTS = 10_000;
const PREVIEW_CHARS = 160;

/**
 * The calls that needed a confirmation, newest first, back to the end of the turn before.
 * @param callId goes further back for this one
 */
export async function askedCalls(
  client: Anthropic,
  sessionId: string,
  callId?: string,
): Promise<AskedCall[]> {
  const asked: AskedCall[] = [];
  const verdicts = new Map<string, Verdict>();
  const answered = new Set<string>();
  let isOver = false;
  let events = 0;
  for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000, order: 'desc' })) {
    if (++events > MOST_EVENTS) break;
    if (event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action') isOver = true;
    if (isOver && (callId === undefined || asked.some(({ id }) => id === callId))) break;
    if (event.type === 'user.tool_confirmation')
      verdicts.set(event.tool_use_id, event.result === 'allow' ? 'allow' : 'deny');
    const result = answeredBy(event);
    if (result) answered.add(result);
    if (event.type !== 'agent.tool_use' && event.type !== 'agent.mcp_tool_use') continue;
    // A permission that is not known is treated like `ask`.
    if ((event.evaluated_permission ?? 'allow') === 'allow' || event.evaluated_permission === 'deny')
      continue;
    const closed = isOver || answered.has(event.id);
    asked.push({
      id: event.id,
      what: `${event.name}: ${previewOf(event.input)}`,
      state: verdicts.get(event.id) ?? (closed ? 'closed' : 'waiting'),
    });
  }
  return asked;
}

function answeredBy(event: BetaManagedAgentsSessionEvent): string | undefined {
  if (event.type === 'user.tool_result' || event.type === 'agent.tool_result') return event.tool_use_id;
  if (event.type === 'agent.mcp_tool_result') return event.mcp_tool_use_id;
  return undefined;
}

function previewOf(input: unknown): string {
  const fields = input && typeof input === 'object' ? (input as Record<string, unknown>) : {};
  const main = fields.command ?? fields.file_path ?? fields.pattern ?? JSON.stringify(input) ?? '';
  return excerpt(String(main), PREVIEW_CHARS);
}
