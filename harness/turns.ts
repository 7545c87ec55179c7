// Talks to an agent like an application with the Anthropic SDK: sends a message, reads the answer.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { World } from './world.ts';

type SessionEvent = BetaManagedAgentsSessionEvent;

export interface Turn {
  /** Text of the agent's last message. */
  answer: string;
  /** Why the session went idle, such as `end_turn`. */
  stopReason: string;
  events: SessionEvent[];
}

const TURN_WITHIN_MS = 150_000;
const LAST_SHOWN = 20;

export async function openSession(
  world: Pick<World, 'anthropic' | 'simulators'>,
  environmentId = world.simulators.anthropic.environmentId,
): Promise<string> {
  const { agentId } = world.simulators.anthropic;
  const session = await world.anthropic.beta.sessions.create({
    agent: agentId,
    environment_id: environmentId,
  });
  return session.id;
}

/**
 * Sends a message and follows the stream until the turn ends.
 * @throws if it does not end within 150 seconds
 */
export async function takeTurn(
  client: Anthropic,
  sessionId: string,
  text: string,
  onEvent: (event: SessionEvent) => void = () => undefined,
): Promise<Turn> {
  const late = AbortSignal.timeout(TURN_WITHIN_MS);
  const stream = await client.beta.sessions.events.stream(sessionId, {}, { signal: late });
  await sendMessage(client, sessionId, text);
  const events: SessionEvent[] = [];
  try {
    for await (const event of stream as AsyncIterable<SessionEvent>) {
      events.push(event);
      onEvent(event);
      if (event.type !== 'session.status_idle' || event.stop_reason.type === 'requires_action') continue;
      return { answer: lastMessage(events), stopReason: event.stop_reason.type, events };
    }
  } catch (error) {
    if (!late.aborted) throw error;
  }
  const last = events.slice(-LAST_SHOWN).map(({ type }) => type);
  throw new Error(`the turn of ${sessionId} did not end; seen last: ${last.join(', ') || 'nothing'}`);
}

export async function sendMessage(client: Anthropic, sessionId: string, text: string): Promise<void> {
  const message = { type: 'user.message' as const, content: [{ type: 'text' as const, text }] };
  await client.beta.sessions.events.send(sessionId, { events: [message] });
}

/** All events of a session, oldest first. */
export async function eventsOf(client: Anthropic, sessionId: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000 })) events.push(event);
  return events;
}

/** One line of text about an event: its type and content. */
export function describeEvent(event: SessionEvent): string {
  const what = contentOf(event).replace(/\s+/g, ' ');
  return what ? `${event.type}  ${what}` : event.type;
}

function contentOf(event: SessionEvent): string {
  switch (event.type) {
    case 'user.message':
    case 'agent.message':
    case 'user.tool_result':
      return (event.content ?? [])
        .map((block) => ('text' in block ? block.text : `(${block.type})`))
        .join('');
    case 'agent.tool_use':
      return `${event.name}: ${event.input.command ?? JSON.stringify(event.input)}`;
    case 'session.status_idle':
      return event.stop_reason.type;
    default:
      return '';
  }
}

/** A message that makes the scripted model run these commands one after another. */
export function commands(...lines: string[]): string {
  const steps = lines.map((command) => [{ name: 'bash', input: { command } }]);
  return ['Run these:', '```tools', JSON.stringify(steps), '```'].join('\n');
}

function lastMessage(events: SessionEvent[]): string {
  const message = events.findLast((event) => event.type === 'agent.message');
  if (message?.type !== 'agent.message') return '';
  return message.content.map((block) => ('text' in block ? block.text : '')).join('');
}
