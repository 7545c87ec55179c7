/** envd's file system service: look, list, make, move, remove, watch. */
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { chown, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RpcMethods } from './connect-rpc.ts';
import { describe, describeBelow } from './entries.ts';
import { RpcError } from './rpc-error.ts';
import { fileOwner, resolvePath, type User } from './users.ts';

interface PathRequest {
  path?: string;
  depth?: number;
  source?: string;
  destination?: string;
  recursive?: boolean;
  includeEntry?: boolean;
}

export const FILESYSTEM_METHODS: RpcMethods = {
  unary: {
    '/filesystem.Filesystem/Stat': async (request: PathRequest, { user }) => ({
      entry: await describe(at(request.path, user)),
    }),
    '/filesystem.Filesystem/ListDir': async (request: PathRequest, { user }) => {
      const dir = at(request.path, user);
      if (!(await stat(dir)).isDirectory())
        throw new RpcError('invalid_argument', `path is not a directory: ${dir}`);
      return { entries: await describeBelow(dir, request.depth || 1) };
    },
    '/filesystem.Filesystem/MakeDir': async (request: PathRequest, { user }) => {
      const dir = at(request.path, user);
      const found = await lstat(dir).catch(() => undefined);
      if (found?.isDirectory()) throw new RpcError('already_exists', `directory already exists: ${dir}`);
      if (found) throw new RpcError('invalid_argument', `path exists but is not a directory: ${dir}`);
      await makeFolders(dir, user);
      return { entry: await describe(dir) };
    },
    '/filesystem.Filesystem/Move': async (request: PathRequest, { user }) => {
      const source = at(request.source, user);
      const destination = at(request.destination, user);
      await lstat(source);
      await makeFolders(dirname(destination), user);
      await rename(source, destination);
      return { entry: await describe(destination) };
    },
    '/filesystem.Filesystem/Remove': async (request: PathRequest, { user }) => {
      await rm(at(request.path, user), { recursive: true, force: true });
      return {};
    },
  },
  stream: {
    '/filesystem.Filesystem/WatchDir': async (request: PathRequest, { user, keepaliveSeconds }, stream) => {
      const dir = at(request.path, user);
      if (!(await stat(dir)).isDirectory())
        throw new RpcError('invalid_argument', `path is not a directory: ${dir}`);
      const known = new Set((await describeBelow(dir, request.recursive ? 32 : 1)).map(({ path }) => path));
      const watcher: FSWatcher = watch(dir, { recursive: request.recursive ?? false });
      const keepalive = setInterval(() => stream.send({ keepalive: {} }), keepaliveSeconds * 1000);
      stream.onClose(() => {
        clearInterval(keepalive);
        watcher.close();
      });
      watcher.on('error', (error) => stream.end(new RpcError('internal', error.message)));
      watcher.on('change', async (_kind, name) => {
        const path = join(dir, String(name));
        const type = changeOf(path, known);
        const entry = request.includeEntry ? await describe(path).catch(() => undefined) : undefined;
        stream.send({ filesystem: { name: String(name), type, ...(entry ? { entry } : {}) } });
      });
      stream.send({ start: {} });
    },
  },
};

/** Makes a folder and its missing parents, all owned by the user. */
export async function makeFolders(dir: string, user: User): Promise<void> {
  const first = await mkdir(dir, { recursive: true });
  const owner = fileOwner(user);
  if (!first || !owner) return;
  for (let made = dir; made.length >= first.length; made = dirname(made))
    await chown(made, owner.uid, owner.gid);
}

function changeOf(path: string, known: Set<string>): string {
  if (!existsSync(path)) {
    known.delete(path);
    return 'EVENT_TYPE_REMOVE';
  }
  if (known.has(path)) return 'EVENT_TYPE_WRITE';
  known.add(path);
  return 'EVENT_TYPE_CREATE';
}

function at(path: string | undefined, user: User): string {
  return resolvePath(path ?? '', user);
}
