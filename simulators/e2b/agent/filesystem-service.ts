/** envd's file system service: stat, list, make, move, remove. */
import { execFile } from 'node:child_process';
import { chown, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { UnaryMethod } from './connect-rpc.ts';
import { describe, describeBelow } from './entries.ts';
import type { Fields } from './fields.ts';
import { RpcError } from './rpc-error.ts';
import type { SystemHelper } from './system-helper.ts';
import { fileOwner, resolvePath, type User } from './users.ts';

export function filesystemMethods(helper: SystemHelper): Record<string, UnaryMethod> {
  return {
    '/filesystem.Filesystem/Stat': async (request, { user }) => ({
      entry: await describe(pathOf(request, 'path', user), helper),
    }),
    '/filesystem.Filesystem/ListDir': async (request, { user }) => {
      const dir = await folderOf(request, user);
      return { entries: await describeBelow(dir, request.count('depth') || 1, helper) };
    },
    '/filesystem.Filesystem/MakeDir': async (request, { user }) => {
      const dir = pathOf(request, 'path', user);
      const found = await stat(dir).catch(() => undefined);
      if (found?.isDirectory()) throw new RpcError('already_exists', `directory already exists: ${dir}`);
      if (found) throw new RpcError('invalid_argument', `path exists but is not a directory: ${dir}`);
      await makeFolders(dir, user);
      return { entry: await describe(dir, helper) };
    },
    '/filesystem.Filesystem/Move': async (request, { user }) => {
      const source = pathOf(request, 'source', user);
      const destination = pathOf(request, 'destination', user);
      await lstat(source);
      await makeFolders(dirname(destination), user);
      await move(source, destination);
      return { entry: await describe(destination, helper) };
    },
    '/filesystem.Filesystem/Remove': async (request, { user }) => {
      await rm(pathOf(request, 'path', user), { recursive: true, force: true });
      return {};
    },
  };
}

/** The folder that a request names. Throws `not_found`, or `invalid_argument` if it is not a folder. */
export async function folderOf(request: Fields, user: User): Promise<string> {
  const dir = pathOf(request, 'path', user);
  if (!(await stat(dir)).isDirectory())
    throw new RpcError('invalid_argument', `path is not a directory: ${dir}`);
  return dir;
}

/** Creates a folder and its missing parents, all owned by the user. */
export async function makeFolders(dir: string, user: User): Promise<void> {
  const first = await mkdir(dir, { recursive: true, mode: 0o755 });
  const owner = fileOwner(user);
  if (!first || !owner) return;
  for (let made = dir; made.length >= first.length; made = dirname(made))
    await chown(made, owner.uid, owner.gid);
}

/** Falls back to `mv` between file systems: unlike at E2B, some folders of a local sandbox are separate overlays. */
async function move(source: string, destination: string): Promise<void> {
  try {
    await rename(source, destination);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await promisify(execFile)('mv', ['-T', '--', source, destination]);
  }
}

function pathOf(request: Fields, field: string, user: User): string {
  return resolvePath(request.text(field) ?? '', user);
}
