// Unpacks an untrusted archive into a new directory, by the same rules for every format. The whole archive is refused if a
// member leads outside, appears twice or exceeds a limit. Links and devices are left out. Of owners, times and modes only
// "executable" is kept.
import { createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArchiveError, type Take } from './archive-member.ts';
import { readTar } from './archive-tar.ts';
import { readZip } from './archive-zip.ts';

export interface Limits {
  members: number;
  bytes: number;
}

export interface Unpacked {
  files: number;
  bytes: number;
  /** The top directory if it is the only top entry of the archive; otherwise ''. */
  wrapper: string;
}

const MAX_PATH_BYTES = 1024;

/**
 * Unpacks a zip or tar archive, plain or compressed.
 * @param archive path of the file
 * @param into path of an empty directory
 * @throws ArchiveError if the archive cannot be used, or a system error such as ENOSPC
 */
export async function unpack(archive: string, into: string, limits: Limits): Promise<Unpacked> {
  const files = new Set<string>();
  const directories = new Set<string>();
  const tops = new Set<string>();
  let members = 0;
  let bytes = 0;
  let nested = false;

  const take: Take = async (member, content) => {
    members += 1;
    if (members > limits.members) throw new ArchiveError(`it has more than ${limits.members} members`);
    const path = safePath(member.path);
    if (member.kind === 'other') return;
    const parts = path.split('/').filter(Boolean);
    if (parts.length === 0) return;
    const name = parts.join('/');
    tops.add(parts[0] as string);
    nested ||= parts.length > 1;
    const parents = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
    const above = parents.find((parent) => files.has(parent));
    if (above) throw new ArchiveError(`"${above}" is both a file and a directory`);
    for (const parent of parents) directories.add(parent);
    if (!content) {
      if (files.has(name)) throw new ArchiveError(`"${name}" is both a file and a directory`);
      directories.add(name);
      await mkdir(join(into, name), { recursive: true, mode: 0o700 });
      return;
    }
    if (files.has(name)) throw new ArchiveError(`"${name}" appears twice`);
    if (directories.has(name)) throw new ArchiveError(`"${name}" is both a file and a directory`);
    files.add(name);
    const target = join(into, name);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const mode = member.executable ? 0o755 : 0o644;
    await pipeline(content, counted, createWriteStream(target, { flags: 'wx', mode }));
  };
  async function* counted(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > limits.bytes) throw new ArchiveError(`it unpacks to more than ${limits.bytes} bytes`);
      yield chunk;
    }
  }

  if (await isZip(archive)) await readZip(archive, take);
  else await readTar(archive, take, limits.bytes);
  if (files.size === 0) throw new ArchiveError('it holds no file');
  return { files: files.size, bytes, wrapper: tops.size === 1 && nested ? ([...tops][0] as string) : '' };
}

/** The path without "." parts. @throws ArchiveError if it leads outside or cannot be a file name */
function safePath(path: string): string {
  const shown = JSON.stringify(path.slice(0, 200));
  const parts = path.split('/');
  if (path.startsWith('/') || /^[a-z]:/i.test(path))
    throw new ArchiveError(`member ${shown} is an absolute path`);
  if (path.split(/[\\/]/).includes('..')) throw new ArchiveError(`member ${shown} leads outside the archive`);
  if (path.includes('\0')) throw new ArchiveError(`member ${shown} has a NUL in its name`);
  // Bytes that are not UTF-8 were read as U+FFFD, so two different names could become the same.
  if (path.includes('\uFFFD')) throw new ArchiveError(`the name of member ${shown} is not UTF-8`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES || parts.some((part) => Buffer.byteLength(part) > 255))
    throw new ArchiveError(`the name of member ${shown} is too long`);
  return parts.filter((part) => part !== '.').join('/');
}

async function isZip(archive: string): Promise<boolean> {
  const handle = await open(archive, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.readUInt32BE() === 0x504b0304;
  } finally {
    await handle.close();
  }
}
