// An HTTP proxy that counts the requests of the router to one service, by method and address.
import { createServer, request as forward, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Tally } from './tally.ts';

export interface CountingProxy {
  url: string;
  /** Requests so far, such as `GET /v1/sessions/:id/events`. */
  counts(): Tally;
  close(): void;
}

/** Ids in addresses: they hold a digit and are long, or have a prefix. */
const ID = /^(?=.*\d)[\w-]{12,}$|^(?:env|work|sesn|sevt|memstore|mem|skill|agent)_/;

/** @param target origin of the service */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const counts: Tally = {};
  const server = createServer((request, response) => {
    const name = nameOf(request);
    counts[name] = (counts[name] ?? 0) + 1;
    const { method, headers } = request;
    const onward = forward(new URL(request.url ?? '/', target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // A stream of events begins with its headers.
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => ({ ...counts }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function nameOf({ method, url = '/' }: IncomingMessage): string {
  const { pathname } = new URL(url, 'http://localhost');
  const parts = pathname.split('/').map((part) => (ID.test(part) ? ':id' : part));
  return `${method} ${parts.join('/')}`;
}
