/** Turns the events of a thread into the messages of a Messages API request, for a real model. */
import type { SessionEvent } from './state.ts';

interface Message {
  role: 'user' | 'assistant';
  content: Record<string, unknown>[];
}

const RESULTS = ['user.tool_result', 'user.custom_tool_result', 'agent.tool_result', 'agent.mcp_tool_result'];
const CALLS = ['agent.tool_use', 'agent.custom_tool_use', 'agent.mcp_tool_use'];

/** The Messages API requires a result for each call: interrupted calls get an error result. */
export function conversation(history: SessionEvent[]): Message[] {
  const results = new Map(
    history.flatMap((event) => (RESULTS.includes(event.type) ? [[callOf(event), event] as const] : [])),
  );
  const messages: Message[] = [];
  const add = (role: Message['role'], ...content: Record<string, unknown>[]) => {
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...content);
    else if (content.length > 0) messages.push({ role, content });
  };
  let open: SessionEvent[] = [];
  const close = () => {
    const round = open;
    open = [];
    add('user', ...round.map((call) => resultBlock(call.id, results.get(call.id))));
  };
  for (const event of history) {
    if (CALLS.includes(event.type)) {
      add('assistant', { type: 'tool_use', id: event.id, name: event.name, input: event.input });
      open.push(event);
    } else if (event.type === 'agent.message') {
      close();
      add('assistant', ...(event.content as Record<string, unknown>[]));
    } else if (
      ['user.message', 'system.message', 'agent.thread_message_received'].includes(event.type) &&
      event.processed_at !== null
    ) {
      close();
      add('user', ...(event.content as Record<string, unknown>[]));
    } else if (event.type === 'span.model_request_start') close();
  }
  close();
  return messages;
}

function callOf(event: SessionEvent): string {
  return String(event.tool_use_id ?? event.custom_tool_use_id ?? event.mcp_tool_use_id);
}

function resultBlock(callId: string, result: SessionEvent | undefined): Record<string, unknown> {
  const content = result?.content;
  if (!result) {
    return { type: 'tool_result', tool_use_id: callId, content: 'The call was interrupted.', is_error: true };
  }
  return {
    type: 'tool_result',
    tool_use_id: callId,
    ...(Array.isArray(content) && content.length > 0 ? { content } : { content: '(no output)' }),
    ...(result.is_error ? { is_error: true } : {}),
  };
}
