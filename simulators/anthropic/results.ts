/** Results of tool calls: their text, and the results that the service itself writes. */
import type { EventLog } from './event-log.ts';
import type { CallRecord, SessionEvent } from './state.ts';

/** The text of a round's results: the answer of the scripted model when its script has none. */
export function resultText(calls: CallRecord[], events: EventLog): string {
  const texts = calls.map((call) => textOf(call.resultId === null ? undefined : events.get(call.resultId)));
  return texts.filter((text) => text !== '').join('\n') || '(no output)';
}

function textOf(event: SessionEvent | undefined): string {
  return contentText(event?.content);
}

/** The text blocks of an event's content. */
export function contentText(content: unknown): string {
  if (!Array.isArray(content)) return '';
  const blocks = content as { type: string; text?: string }[];
  return blocks.flatMap((block) => (block.type === 'text' ? [block.text ?? ''] : [])).join('\n');
}

/** The service's own result for a call: `text` as an error, else the script's result, else "does not run". */
export function serverResult(
  call: CallRecord,
  event: SessionEvent | undefined,
  text?: string,
): { type: string; fields: Record<string, unknown> } {
  const said = text ?? call.scripted?.text ?? `This simulator does not run ${event?.name ?? 'this tool'}.`;
  const isError = text !== undefined || (call.scripted?.isError ?? true);
  const body = { content: [{ type: 'text', text: said }], is_error: isError };
  if (call.kind === 'agent.mcp_tool_use') {
    return { type: 'agent.mcp_tool_result', fields: { mcp_tool_use_id: call.id, ...body } };
  }
  return { type: 'agent.tool_result', fields: { tool_use_id: call.id, ...body } };
}
