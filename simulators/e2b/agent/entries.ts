/** Describes files and folders like envd. */
import { constants, type Dirent, readFileSync } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { SystemHelper } from './system-helper.ts';

const MAX_DEPTH = 32;

export interface Entry extends Record<string, unknown> {
  name: string;
  type: 'FILE_TYPE_FILE' | 'FILE_TYPE_DIRECTORY' | 'FILE_TYPE_UNSPECIFIED';
  path: string;
  size: string;
  mode: number;
  permissions: string;
  owner: string;
  group: string;
  modifiedTime: string;
  symlinkTarget?: string;
  metadata?: Record<string, string>;
}

/** Throws the error of the file system if `path` does not exist. */
export async function describe(path: string, helper: SystemHelper): Promise<Entry> {
  return withMetadata([await describeBare(path)], helper).then(([entry]) => entry as Entry);
}

/** The entries of a folder down to `depth` levels, without following links. */
export async function describeBelow(dir: string, depth: number, helper: SystemHelper): Promise<Entry[]> {
  const entries: Entry[] = [];
  const visit = async (folder: string, level: number): Promise<void> => {
    for (const child of sorted(await readdir(folder, { withFileTypes: true }))) {
      const path = join(folder, child.name);
      // The file may have been removed since the folder was read.
      const entry = await describeBare(path).catch(() => undefined);
      if (entry) entries.push(entry);
      if (child.isDirectory() && level < Math.min(depth, MAX_DEPTH)) await visit(path, level + 1);
    }
  };
  await visit(dir, 1);
  return withMetadata(entries, helper);
}

/** A link has the type and mode of its target, but its own size and permissions. */
async function describeBare(path: string): Promise<Entry> {
  const own = await lstat(path);
  const link = own.isSymbolicLink();
  const target = link ? await stat(path).catch(() => undefined) : own;
  return {
    name: basename(path) || '/',
    type: target?.isDirectory()
      ? 'FILE_TYPE_DIRECTORY'
      : target?.isFile()
        ? 'FILE_TYPE_FILE'
        : 'FILE_TYPE_UNSPECIFIED',
    path,
    size: String(own.size),
    mode: (target ?? own).mode & 0o777,
    permissions: permissions(own.mode),
    owner: nameOf('/etc/passwd', own.uid),
    group: nameOf('/etc/group', own.gid),
    modifiedTime: own.mtime.toISOString(),
    ...(link ? { symlinkTarget: await realpath(path).catch(() => path) } : {}),
  };
}

async function withMetadata(entries: Entry[], helper: SystemHelper): Promise<Entry[]> {
  const attributes = await helper.attributes(entries.map(({ path }) => path));
  return entries.map((entry, index) => {
    const metadata = attributes[index] ?? {};
    return Object.keys(metadata).length > 0 ? { ...entry, metadata } : entry;
  });
}

function sorted(entries: Dirent[]): Dirent[] {
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

const TYPES: Record<number, string> = {
  [constants.S_IFDIR]: 'd',
  [constants.S_IFLNK]: 'L',
  [constants.S_IFBLK]: 'D',
  [constants.S_IFIFO]: 'p',
  [constants.S_IFSOCK]: 'S',
  [constants.S_IFCHR]: 'Dc',
};

/** A file's mode in Go's format: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`. */
function permissions(mode: number): string {
  const bits = [...'rwxrwxrwx'].map((letter, index) => (mode & (0o400 >> index) ? letter : '-'));
  const special = (mode & 0o4000 ? 'u' : '') + (mode & 0o2000 ? 'g' : '') + (mode & 0o1000 ? 't' : '');
  const head = (TYPES[mode & constants.S_IFMT] ?? '') + special;
  return (head || '-') + bits.join('');
}

function nameOf(file: '/etc/passwd' | '/etc/group', id: number): string {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((candidate) => candidate.split(':')[2] === String(id));
  return line?.split(':')[0] ?? String(id);
}
