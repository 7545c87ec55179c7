/** Gives sandboxes access to selected loopback ports of the host, through a unix socket per port in their folder. */
import { closeSync, lchownSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { OWNER } from './isolation/owner.ts';

export class HostPortRelay {
  readonly ports: number[];
  readonly #open = new Map<string, { servers: Server[]; folder: number; sockets: Set<Socket> }>();

  constructor(ports: readonly number[]) {
    this.ports = [...ports];
  }

  /** Adds a port for sandboxes that boot or wake from now on. */
  add(port: number): void {
    if (!this.ports.includes(port)) this.ports.push(port);
  }

  /** Listens for one sandbox. The caller tells the agent inside which ports to open. */
  async open(dir: string): Promise<void> {
    await this.close(dir);
    // Through a file descriptor, because a socket path may have about 100 characters only.
    const folder = openSync(join(dir, 'run'), 'r');
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    this.#open.set(dir, { servers, folder, sockets });
    for (const port of this.ports)
      servers.push(await this.#listen(`/proc/self/fd/${folder}/host-${port}.sock`, port, sockets));
  }

  /** Stops listening and closes the open connections. */
  async close(dir: string): Promise<void> {
    const open = this.#open.get(dir);
    if (!open) return;
    this.#open.delete(dir);
    // Closing a server unlinks its socket through the descriptor, so the descriptor is closed last.
    for (const server of open.servers) server.close();
    for (const socket of open.sockets) socket.destroy();
    closeSync(open.folder);
  }

  async closeAll(): Promise<void> {
    for (const dir of [...this.#open.keys()]) await this.close(dir);
  }

  async #listen(path: string, port: number, sockets: Set<Socket>): Promise<Server> {
    const server = createServer((inner) => {
      const outer = connect({ port, host: '127.0.0.1' });
      for (const socket of [inner, outer]) {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      }
      pipe(inner, outer);
      pipe(outer, inner);
    });
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    // lchown, because the sandbox can put links into this folder.
    lchownSync(path, OWNER.uid, OWNER.gid);
    return server;
  }
}

function pipe(from: Socket, to: Socket): void {
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
  from.pipe(to);
}
