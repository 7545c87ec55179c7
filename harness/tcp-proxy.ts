// Stands between a client and a server, so that their connections can be cut like those of a paused machine.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What the client finds: its connections are reset, or stay open and silent for ever. */
export type Cut = 'reset' | 'silent';

export interface TcpProxy {
  /** `http://127.0.0.1:port` */
  url: string;
  /** Cuts all connections. The server sees each one close. New connections work. */
  cut(how: Cut): void;
  close(): void;
}

/** @param target URL of the server */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Map<Socket, Socket>();
  const silent = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    pairs.set(client, upstream);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.setNoDelay(true);
      one.pipe(other);
      one.on('error', () => undefined);
      one.on('close', () => {
        pairs.delete(client);
        if (!silent.has(client)) other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: (how) => {
      for (const [client, upstream] of pairs) {
        client.unpipe();
        upstream.unpipe();
        if (how === 'silent') silent.add(client.resume());
        else client.resetAndDestroy();
        upstream.destroy();
      }
      pairs.clear();
    },
    close: () => {
      for (const [client, upstream] of pairs) for (const one of [client, upstream]) one.destroy();
      for (const client of silent) client.destroy();
      server.close();
    },
  };
}
