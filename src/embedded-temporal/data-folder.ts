// The data folder of an embedded server belongs to one router at a time.
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { routerCommand } from '../program-name.ts';

export interface DataFolder {
  /** Absolute path. */
  path: string;
  /** Lets another router use the folder. */
  release(): Promise<void>;
}

/** Longest path of a Unix socket that all systems accept. */
const MAX_SOCKET_PATH = 103;

/**
 * Creates the folder if need be and takes it. The lock is a Unix socket that we listen on: unlike a file with a process id,
 * it is free again however we end, also in a container, where ids repeat.
 * @throws Error that names the setting, if the folder cannot be used or another router uses it
 */
export async function takeDataFolder(folder: string): Promise<DataFolder> {
  const path = resolve(folder);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
    // A data folder in a repository must not be committed.
    if (!existsSync(join(path, '.gitignore'))) writeFileSync(join(path, '.gitignore'), '*\n');
  } catch (error) {
    throw new Error(
      `The data folder ${path} cannot be written (${(error as NodeJS.ErrnoException).code}): set ROUTER_DATA_FOLDER to a folder ` +
        'that this user can write, or TEMPORAL_ADDRESS to a Temporal server',
    );
  }
  const socket = socketIn(path);
  const lock = await listen(socket, path);
  return { path, release: () => close(lock) };
}

async function listen(socket: string, path: string): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    const server = createServer((connection) => connection.destroy());
    try {
      await once(server.listen(socket), 'listening');
      return server.unref();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
        throw new Error(`The data folder ${path} cannot be locked: ${(error as Error).message}`);
    }
    if (attempt > 1 || (await isHeld(socket)))
      throw new Error(
        `Another router runs on the data folder ${path}. Stop that router, give this one a folder of its own with ` +
          `ROUTER_DATA_FOLDER, or run \`${routerCommand('worker')}\` for more capacity`,
      );
    // Left behind by a router that was killed.
    rmSync(socket, { force: true });
  }
}

async function isHeld(socket: string): Promise<boolean> {
  const connection = connect(socket);
  try {
    await once(connection, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    connection.destroy();
  }
}

/** The shorter of the absolute and the relative path. */
function socketIn(path: string): string {
  const absolute = join(path, 'router.sock');
  const fromHere = relative('', absolute);
  const shorter = fromHere.length < absolute.length ? fromHere : absolute;
  if (Buffer.byteLength(shorter) > MAX_SOCKET_PATH)
    throw new Error(
      `The path of the data folder ${path} is too long for a lock: set ROUTER_DATA_FOLDER to a shorter one`,
    );
  return shorter;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
