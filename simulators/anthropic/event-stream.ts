/**
 * A session's events as server-sent events. Nothing is replayed. Faults on the route `events.stream` hit a
 * connection (`cut-stream`: cut after its first event), those on `stream.event` hit one event of one connection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Service } from './service.ts';
import type { SessionEvent } from './state.ts';

/** Takes the answer over; the stream ends with the session's deletion, the client, or the stand-in. */
export function streamEvents(
  service: Service,
  session: string,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { state, events, closing } = service;
  const { raw } = reply;
  let cut = false;
  const cutsAfterFirst = request.fault?.kind === 'cut-stream';
  reply.hijack();
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'request-id': request.id,
  });
  raw.flushHeaders();

  const write = (name: string, data: unknown): void => {
    raw.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const send = async (event: SessionEvent): Promise<void> => {
    const fault = state.faults.take('stream.event', `${request.url} ${event.type} ${event.id}`);
    if (fault) await delay(fault.latencyMs);
    if (raw.destroyed || cut) return;
    if (fault?.kind === 'drop') raw.destroy();
    else if (fault?.kind !== 'lost') write(event.type, event);
    if (fault?.kind === 'duplicated') write(event.type, event);
    // The end of the frame must have left before the connection goes.
    cut = fault?.kind === 'commit-then-drop' || cutsAfterFirst;
    if (cut) raw.write('', () => raw.destroy());
    if (event.type === 'session.deleted') raw.end();
  };

  // An event that is held up holds up those behind it.
  let sending = Promise.resolve();
  const unfollow = events.follow(session, (event) => {
    sending = sending.then(() => send(event));
  });
  const pings = setInterval(() => write('ping', { type: 'ping' }), pingMs(service));
  const end = () => raw.end();
  closing.signal.addEventListener('abort', end);
  raw.on('close', () => {
    unfollow();
    clearInterval(pings);
    closing.signal.removeEventListener('abort', end);
  });
}

function pingMs({ state }: Service): number {
  return Math.max(1, state.switches.number('stream-ping-seconds')) * 1000;
}
