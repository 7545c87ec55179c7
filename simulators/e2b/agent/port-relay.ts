/** Forwards connections into the sandbox to its ports, and out of it to ports of the host. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A server may listen on only one of them. */
const LOOPBACKS = ['127.0.0.1', '::1'];

/** Answers a CONNECT request by connecting the socket to a port of the sandbox. */
export function relayToPort(target: string, socket: Duplex, head: Buffer): void {
  const port = Number(target.slice(target.lastIndexOf(':') + 1));
  socket.on('error', () => socket.destroy());
  const attempt = ([host, ...others]: string[]) => {
    if (!host) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    // Half-open: either side may end its sending direction and still receive.
    const upstream = connect({ port, host, allowHalfOpen: true });
    const refused = () => attempt(others);
    upstream.once('error', refused);
    upstream.once('connect', () => {
      upstream.off('error', refused);
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      join(upstream, socket);
    });
  };
  attempt(LOOPBACKS);
}

/** Listens inside on the ports of the host, and forwards each through a unix socket next to the agent's. */
export class HostPorts {
  readonly #servers = new Map<number, Server>();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens exactly these ports and closes all others. Throws if a port is in use inside. */
  async set(ports: number[]): Promise<void> {
    for (const [port, server] of this.#servers) {
      if (ports.includes(port)) continue;
      server.close();
      this.#servers.delete(port);
    }
    for (const port of ports) {
      if (this.#servers.has(port)) continue;
      const server = createServer((socket) => {
        const upstream = connect({ path: `${this.#folder}/host-${port}.sock` });
        join(upstream, socket);
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
      });
      this.#servers.set(port, server);
    }
  }
}

function join(one: Socket, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
