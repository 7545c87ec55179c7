// Loopback ports of the embedded server.
import { once } from 'node:events';
import { connect } from 'node:net';

export const HOST = '127.0.0.1';
/** Ports that are tried after the wanted one. */
const MORE = 100;

/** Whether a process listens on the loopback port. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * @param taken ports that are given away already
 * @returns the wanted port or the first free one above it
 * @throws Error if all of them are in use
 */
export async function freePortFrom(wanted: number, taken: readonly number[] = []): Promise<number> {
  for (let port = wanted; port <= Math.min(wanted + MORE, 65_535); port += 1)
    if (!taken.includes(port) && !(await listens(port))) return port;
  throw new Error(`ports ${wanted} to ${wanted + MORE} are all in use`);
}
