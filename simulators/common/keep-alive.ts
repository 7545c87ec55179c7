import type { ServerResponse } from 'node:http';

/** Leaves out Node's header `Keep-Alive: timeout=…`: front ends such as those of the services do not say how long they wait. */
export function announceNoTime(response: ServerResponse): void {
  if (response.shouldKeepAlive) response.setHeader('connection', 'keep-alive');
}
