// A canary: a server whose URL is known only from the redirects of hostile sandboxes.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `stop` returns the received requests. */
export async function startCanary(): Promise<{ url: string; stop(): string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/canary`,
    stop: () => {
      server.close();
      server.closeAllConnections();
      return requests;
    },
  };
}
