/** Files and folders as envd describes them. */
import { type Dirent, readFileSync } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

const MAX_DEPTH = 32;

export interface Entry {
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
}

/** Throws the file system's own error if there is nothing at `path`. */
export async function describe(path: string): Promise<Entry> {
  const own = await lstat(path);
  const link = own.isSymbolicLink();
  const target = link ? await stat(path).catch(() => own) : own;
  return {
    name: basename(path) || '/',
    type: target.isDirectory()
      ? 'FILE_TYPE_DIRECTORY'
      : target.isFile()
        ? 'FILE_TYPE_FILE'
        : 'FILE_TYPE_UNSPECIFIED',
    path,
    size: String(own.size),
    mode: own.mode & 0o7777,
    permissions: permissions(own.mode, link ? 'L' : own.isDirectory() ? 'd' : '-'),
    owner: nameOf('/etc/passwd', own.uid),
    group: nameOf('/etc/group', own.gid),
    modifiedTime: own.mtime.toISOString(),
    ...(link ? { symlinkTarget: await readlink(path) } : {}),
  };
}

/** Everything below a folder down to `depth` levels; links are not followed. */
export async function describeBelow(dir: string, depth: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const visit = async (folder: string, level: number): Promise<void> => {
    for (const child of sorted(await readdir(folder, { withFileTypes: true }))) {
      const path = join(folder, child.name);
      // It may have gone since the folder was read.
      const entry = await describe(path).catch(() => undefined);
      if (entry) entries.push(entry);
      if (child.isDirectory() && level < Math.min(depth, MAX_DEPTH)) await visit(path, level + 1);
    }
  };
  await visit(dir, 1);
  return entries;
}

function sorted(entries: Dirent[]): Dirent[] {
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

function permissions(mode: number, kind: string): string {
  const bits = [...'rwxrwxrwx'].map((letter, index) => (mode & (0o400 >> index) ? letter : '-'));
  return kind + bits.join('');
}

function nameOf(file: '/etc/passwd' | '/etc/group', id: number): string {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((candidate) => candidate.split(':')[2] === String(id));
  return line?.split(':')[0] ?? String(id);
}
