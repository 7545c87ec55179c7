// What a turn's events mean for the person who follows it.
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { cut, oneLine } from '../output.ts';

export type SessionEvent = BetaManagedAgentsSessionEvent;

/** Longer commands and outputs are cut where they are shown as progress. */
const SHOWN = 200;

/** One line about an event, or undefined for events that say nothing to people. Text from sessions is cleaned. */
export function describeEvent(event: SessionEvent): string | undefined {
  switch (event.type) {
    case 'session.status_running':
      return 'running';
    case 'agent.message':
      return `agent: ${short(textOf(event.content))}`;
    case 'agent.tool_use':
    case 'agent.custom_tool_use':
    case 'agent.mcp_tool_use':
      return `${oneLine(event.name)}: ${short(inputOf(event.input))}`;
    case 'user.tool_result':
    case 'user.custom_tool_result':
    case 'agent.tool_result':
      return `${event.is_error ? 'failed' : 'result'}: ${short(textOf(event.content ?? []))}`;
    case 'user.tool_confirmation':
      return event.result === 'allow' ? 'allowed' : 'denied';
    case 'session.error':
      return `error: ${short(event.error.message)}`;
    case 'session.status_rescheduled':
      return 'the service tries again by itself';
    default:
      return undefined;
  }
}

/** The text blocks of a content, joined. */
export function textOf(content: readonly { type: string }[]): string {
  return content
    .map((block) => ('text' in block && typeof block.text === 'string' ? block.text : `(${block.type})`))
    .join('');
}

function inputOf(input: Record<string, unknown>): string {
  const { command } = input;
  return typeof command === 'string' ? command : JSON.stringify(input);
}

function short(text: string): string {
  return cut(oneLine(text), SHOWN);
}
