/** Paths of memories: validation, conflicts between paths, and the folders of a listing. */
import { badRequest } from './errors.ts';
import type { MemoryRecord } from './resource-records.ts';

const MAX_BYTES = 1024;
const MAX_SEGMENTS = 20;
/** Control and format characters, surrogates, and line and paragraph separators. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

/** Returns the path, or throws 400 if the API would refuse it. */
export function checkPath(path: string): string {
  const segments = path.split('/').slice(1);
  const valid =
    path.startsWith('/') &&
    segments.length <= MAX_SEGMENTS &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..') &&
    !UNSEEN.test(path) &&
    path.normalize('NFC') === path &&
    Buffer.byteLength(path) <= MAX_BYTES;
  if (valid) return path;
  throw badRequest(
    `path: must start with / and have 1 to ${MAX_SEGMENTS} segments, none of them empty, . or .., ` +
      `without control or format characters, in NFC, of at most ${MAX_BYTES} bytes`,
  );
}

/** Whether two paths conflict: they are equal, or one is a folder of the other. */
export function overlaps(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** An entry of a listing: a memory, or a folder in place of the memories below it. */
export type Entry = { path: string; memory?: MemoryRecord };

/** The entries below a prefix. Memories deeper than `depth` appear as their folder; 0: no limit. */
export function entriesBelow(memories: MemoryRecord[], prefix: string, depth: number): Entry[] {
  if (prefix !== '' && !prefix.endsWith('/')) throw badRequest('path_prefix: must end with /');
  const base = prefix || '/';
  const entries = new Map<string, Entry>();
  for (const memory of memories) {
    if (!memory.path.startsWith(base)) continue;
    const segments = memory.path.slice(base.length).split('/');
    const deeper = depth > 0 && segments.length > depth;
    const path = deeper ? `${base}${segments.slice(0, depth).join('/')}/` : memory.path;
    entries.set(path, deeper ? { path } : { path, memory });
  }
  return [...entries.values()];
}
