// Lists, hashes and opens files below a directory that the model can write to, without following links out of it.
import { createHash } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

const MAX_PATH_BYTES = 1024;
const MAX_NAME_BYTES = 255;
const CHUNK_BYTES = 256 * 1024;

/** A path that cannot be used; the message says why. */
export class PathError extends Error {
  override name = 'PathError';
}

export interface Found {
  /** Relative to the directory, with "/" between its parts. */
  path: string;
  /** Bytes. */
  size: number;
  modifiedMs: number;
}

/**
 * The regular files below `root`, in no order.
 * @param most maximum number of directory entries to inspect
 * @returns `complete` is false if there are more entries
 */
export async function filesBelow(root: string, most: number): Promise<{ files: Found[]; complete: boolean }> {
  const files: Found[] = [];
  const directories = [''];
  let left = most;
  for (let dir = directories.pop(); dir !== undefined; dir = directories.pop()) {
    for (const entry of await entriesOf(join(root, dir))) {
      if (left-- <= 0) return { files, complete: false };
      const path = dir ? `${dir}/${entry.name}` : entry.name;
      if (entry.isDirectory()) directories.push(path);
      if (!entry.isFile()) continue;
      const stat = await lstat(join(root, path)).catch(() => undefined);
      if (stat?.isFile()) files.push({ path, size: stat.size, modifiedMs: stat.mtimeMs });
    }
  }
  return { files, complete: true };
}

/**
 * The absolute path of a file below `root`; the file may be missing.
 * @throws PathError if `path` is not a clean relative path, or a link in it leads out of `root`
 */
export async function pathBelow(root: string, path: string): Promise<string> {
  const parts = path.split('/');
  const shown = JSON.stringify(path.slice(0, 200));
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw new PathError(`${shown} is not a clean relative path`);
  if (
    Buffer.byteLength(path) > MAX_PATH_BYTES ||
    parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES)
  )
    throw new PathError(`${shown} is too long`);
  const file = join(root, path);
  const real = await realpath(root);
  for (let above = dirname(file); above.length > root.length; above = dirname(above)) {
    const reached = await realpath(above).catch(() => undefined);
    if (reached !== undefined && !reached.startsWith(real + sep))
      throw new PathError(`${shown} leads outside over a link`);
  }
  return file;
}

/** Opens a regular file for reading; does not block on a pipe. @throws PathError, or a system error (ELOOP for a link) */
export async function openRegular(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new PathError(`${JSON.stringify(file)} is not a regular file`);
}

/** SHA-256 of a regular file in hex; null if there is no such file. @throws like openRegular */
export async function hashOf(file: string): Promise<string | null> {
  let handle: FileHandle;
  try {
    handle = await openRegular(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

async function entriesOf(dir: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch {
    // The directory was removed meanwhile, or its permissions forbid reading it.
    return [];
  }
}
