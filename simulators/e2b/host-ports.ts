/** Opens chosen loopback ports of the host to a sandbox: one socket per port, in the sandbox's own folder. */
import { closeSync, lchownSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { OWNER } from './isolation/owner.ts';

export class HostPortRelay {
  readonly ports: readonly number[];
  readonly #open = new Map<string, { servers: Server[]; folder: number; sockets: Set<Socket> }>();

  constructor(ports: readonly number[]) {
    this.ports = ports;
  }

  /** Listens for one sandbox; the agent inside is told which ports by the caller. */
  async open(dir: string): Promise<void> {
    await this.close(dir);
    // By a handle, because the path of a socket may have no more than some hundred characters.
    const folder = openSync(join(dir, 'run'), 'r');
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    this.#open.set(dir, { servers, folder, sockets });
    for (const port of this.ports)
      servers.push(await this.#listen(`/proc/self/fd/${folder}/host-${port}.sock`, port, sockets));
  }

  /** Ends what is joined, too. */
  async close(dir: string): Promise<void> {
    const open = this.#open.get(dir);
    if (!open) return;
    this.#open.delete(dir);
    // Closing removes the socket's name, so the handle goes last.
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
      carry(inner, outer);
      carry(outer, inner);
    });
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    // Never through a link: the sandbox may write in this folder.
    lchownSync(path, OWNER.uid, OWNER.gid);
    return server;
  }
}

function carry(from: Socket, to: Socket): void {
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
  from.pipe(to);
}
