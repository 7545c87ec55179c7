// What a turn's events mean for the person who follows it. Their types are what the service documents; what answers in its
// place may send anything.
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
      return `${short(event.name)}: ${short(inputOf(event.input))}`;
    case 'user.tool_result':
    case 'user.custom_tool_result':
    case 'agent.tool_result':
      return `${event.is_error ? 'failed' : 'result'}: ${short(textOf(event.content))}`;
    case 'user.tool_confirmation':
      return event.result === 'allow' ? 'allowed' : 'denied';
    case 'session.error':
      return `error: ${short(event.error?.message)}`;
    case 'session.status_rescheduled':
      return 'the service tries again by itself';
    default:
      return undefined;
  }
}

/** Shows a turn's events, each when the next one comes: the last message is the answer, which is printed as such. */
export class TurnProgress {
  readonly #say: (line: string) => void;
  #held: string | undefined;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  add(event: SessionEvent): void {
    const line = describeEvent(event);
    if (!line) return;
    this.flush();
    if (event.type === 'agent.message') this.#held = line;
    else this.#say(line);
  }

  /** Shows the message that is held back. */
  flush(): void {
    if (this.#held) this.#say(this.#held);
    this.#held = undefined;
  }
}

/** The text blocks of a content, joined. */
export function textOf(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return content.map((block) => (typeof block?.text === 'string' ? block.text : `(${block?.type})`)).join('');
}

function inputOf(input: unknown): string {
  const { command } = Object(input);
  return typeof command === 'string' ? command : JSON.stringify(input);
}

function short(text: unknown): string {
  return cut(oneLine(String(text)), SHOWN);
}
