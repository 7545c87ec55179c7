// The router's notes on the last sync of a memory store, as they come back from the sandbox that keeps them.
import { z } from 'zod';
import { EMPTY_NOTES, type Notes } from './merge.ts';

const text = z.string().max(4096);
const byPath = z.record(text, text).default({});
const notes = z.object({
  base: byPath,
  refused: byPath,
  missing: z.record(text, z.number().int().nonnegative()).default({}),
  sent: byPath,
  pulled: z.record(text, z.object({ sha: text, was: text.nullable() })).default({}),
});

/** Notes that we cannot have written are as good as none: the next sync is like the first, in which the store wins. */
export function notesOf(kept: unknown, problem: (what: string) => void): Notes {
  if (kept === null || kept === undefined) return EMPTY_NOTES;
  const read = notes.safeParse(kept);
  if (read.success) return read.data;
  problem('the notes on the last sync were spoiled: the folder is compared anew');
  return EMPTY_NOTES;
}
