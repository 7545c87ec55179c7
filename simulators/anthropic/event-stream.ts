/**
 * Streams a session's events as server-sent events, from now on, without earlier ones. Faults on the route
 * `events.stream` hit a connection (`cut-stream`: closed after its first event), faults on `stream.event` a single
 * event of one connection. `stall` leaves the connection open and writes nothing more, not even pings.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Service } from './service.ts';
import type { SessionEvent } from './state.ts';

/** The text of one delta: up to 40 characters. */
const DELTA_TEXT = /[\s\S]{1,40}/gu;

/**
 * Takes over `reply`. The stream ends when the session is deleted, the client leaves, or the simulator closes. `id` is
 * the id of a session or of a child thread; events of the types in `previews` are preceded by a preview.
 */
export function streamEvents(
  service: Service,
  id: string,
  previews: string[],
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { state, events, closing } = service;
  const { raw } = reply;
  let cut = false;
  let stalled = request.fault?.kind === 'stall';
  const cutsAfterFirst = request.fault?.kind === 'cut-stream';
  reply.hijack();
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'request-id': request.id,
  });
  raw.flushHeaders();

  const write = (name: string, data: unknown): void => {
    if (!stalled) raw.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const send = async (event: SessionEvent): Promise<void> => {
    const fault = state.faults.take('stream.event', `${request.url} ${event.type} ${event.id}`);
    if (fault) await delay(fault.latencyMs);
    if (raw.destroyed || cut) return;
    stalled ||= fault?.kind === 'stall';
    if (previews.includes(event.type)) preview(event, write);
    if (fault?.kind === 'drop') raw.destroy();
    else if (fault?.kind !== 'lost') write(event.type, event);
    if (fault?.kind === 'duplicated') write(event.type, event);
    // Close the connection only after the frame has been written.
    cut = fault?.kind === 'commit-then-drop' || cutsAfterFirst;
    if (cut) raw.write('', () => raw.destroy());
    if (event.type === 'session.deleted') raw.end();
  };

  // A delayed event delays all later ones: the order of a stream never changes.
  let sending = Promise.resolve();
  const unfollow = events.follow(id, (event) => {
    sending = sending.then(() => send(event));
  });
  const pingMs = state.switches.number('stream-ping-seconds') * 1000;
  const pings = pingMs > 0 ? setInterval(() => write('ping', { type: 'ping' }), pingMs) : undefined;
  const end = () => raw.end();
  closing.signal.addEventListener('abort', end);
  raw.on('close', () => {
    unfollow();
    clearInterval(pings);
    closing.signal.removeEventListener('abort', end);
  });
}

/** Announces an event while it is being generated: its start, then the text of a message in deltas. */
function preview(event: SessionEvent, write: (name: string, data: unknown) => void): void {
  write('event_start', { type: 'event_start', event: { type: event.type, id: event.id } });
  const content = event.type === 'agent.message' ? (event.content as { type: string; text: string }[]) : [];
  for (const [index, { text }] of content.entries()) {
    for (const piece of text.match(DELTA_TEXT) ?? []) {
      const delta = { type: 'content_delta', index, content: { type: 'text', text: piece } };
      write('event_delta', { type: 'event_delta', event_id: event.id, delta });
    }
  }
}
