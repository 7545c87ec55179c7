/** Paths of memories: what they may look like, which of them exclude each other, and how a store is listed. */
import { badRequest } from './errors.ts';
import type { MemoryRecord } from './resource-records.ts';

const MAX_BYTES = 1024;
const MAX_SEGMENTS = 20;
/** Control and format characters, the separators of lines and paragraphs, halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

/** Throws 400 for a path that the API refuses. */
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

/** Whether two memories cannot both be there: at the same path, or one at a folder of the other's. */
export function overlaps(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** One entry of a list: a memory, or the folder that stands for all below it. */
export type Entry = { path: string; memory?: MemoryRecord };

/** What lies below a prefix; with a depth other than 0, what lies deeper is rolled up into its folder. */
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
