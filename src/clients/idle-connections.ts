// Connections to the services stay open while a model thinks: a new one costs two round trips and the work for TLS.
import type { Agent } from 'node:http';

/**
 * Milliseconds for which an idle connection is kept; a server that announces less (`Keep-Alive: timeout=…`) is believed.
 * A front end that closes a connection in the very moment in which a request goes out makes the request fail, so this is
 * less than usual front ends keep one: 400 s at Cloudflare, 610 s at Google's load balancers, 75 s at nginx, 60 s at AWS's
 * load balancers. Neither Anthropic nor E2B publishes a value.
 */
export const IDLE_CONNECTION_MS = 55_000;

/** An agent that keeps at most so many idle connections in all: Node's own bound is one for each host. */
export function keepingAtMost<A extends Agent>(most: number, agent: A): A {
  // Declared as void; Node destroys the socket unless the answer is true.
  const keep = agent.keepSocketAlive.bind(agent) as (socket: unknown) => boolean;
  agent.keepSocketAlive = (socket) => idleOf(agent) < most && keep(socket);
  return agent;
}

function idleOf({ freeSockets }: Agent): number {
  return Object.values(freeSockets).reduce((total, sockets) => total + (sockets?.length ?? 0), 0);
}
