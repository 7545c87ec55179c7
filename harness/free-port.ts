// Finds a port for a server whose port is configured before its start, and kept over restarts.
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below what Linux (32768), macOS and Windows (49152) give to outgoing connections and to servers on port 0: one of
// those could take the port between this look and the server's start, or while it restarts.
const FIRST = 15_000;
const LAST = 32_767;
const HOST = '127.0.0.1';

const given = new Set<number>();

/** @returns a loopback port on which no process listens now; never returns the same port twice */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, HOST);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
