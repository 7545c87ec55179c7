// How to make a memory store and its folder agree, given their contents and the notes of the last sync: the rules of
// the official worker. Pure.
//
// The store wins wherever both sides changed. A file that is missing is deleted in the store only when it has been
// missing for a while (or the turn is over), and never where the folder as a whole looks wiped. A sync notes what it is about
// to do. If it is cut off, the next sync then does not mistake its changes for changes by others.

/** Notes of the last sync, kept beside the folder. Paths are relative, hashes SHA-256 in hex. */
export interface Notes {
  /** As it was on both sides. */
  base: Record<string, string>;
  /** What the service will not take; tried again when the file has changed. */
  refused: Record<string, string>;
  /** Epoch ms since when a file is missing from the folder. */
  missing: Record<string, number>;
  /** What was to be sent to the store: it may have arrived. */
  sent: Record<string, string>;
  /** What was to be written to the folder, and what was there (null: nothing). */
  pulled: Record<string, { sha: string; was: string | null }>;
}

export interface Folder {
  marker: 'ours' | 'missing' | 'other';
  /** False where there are more files than were looked at. */
  complete: boolean;
  /** By path; files that are too large for the service have a placeholder instead of their hash. */
  files: Map<string, string>;
}

export interface Memory {
  id: string;
  sha: string;
}

export interface Plan {
  push: { path: string; sha: string; over: Memory | null }[];
  pull: { path: string; memory: Memory; was: string | null }[];
  /** Gone from the folder: to be deleted in the store. */
  deleteMemory: { path: string; memory: Memory }[];
  /** Gone from the store: to be deleted in the folder while it is unchanged. */
  removeFile: { path: string; sha: string }[];
  /** Changed on both sides: the store's version is taken. */
  conflicts: string[];
  /** What the next sync finds if this one is cut off from here on. */
  notes: Notes;
}

const MISSING_FOR_MS = 30_000;
/** At most a quarter of the store is deleted in one sync, within these bounds. */
const DELETIONS = { least: 8, most: 50 };

export const EMPTY_NOTES: Notes = { base: {}, refused: {}, missing: {}, sent: {}, pulled: {} };

/** @param last nothing more will run in this turn: what is missing now is missing for good */
export function merge(
  folder: Folder,
  memories: ReadonlyMap<string, Memory>,
  before: Notes,
  { readOnly, last, now }: { readOnly: boolean; last: boolean; now: number },
): Plan {
  const base = settled(folder, memories, before);
  const known = base.size;
  const wiped = folder.files.size === 0 && known > 1;
  const trusted = folder.marker === 'ours' && folder.complete && !wiped;
  const plan: Plan = {
    push: [],
    pull: [],
    deleteMemory: [],
    removeFile: [],
    conflicts: [],
    notes: EMPTY_NOTES,
  };
  const refused: Notes['refused'] = {};
  const missing: Notes['missing'] = {};
  const most = Math.max(DELETIONS.least, Math.min(DELETIONS.most, Math.floor(known / 4)));

  for (const path of new Set([...memories.keys(), ...folder.files.keys(), ...base.keys()])) {
    const memory = memories.get(path);
    const file = folder.files.get(path);
    const was = base.get(path);
    const isRefused = file !== undefined && before.refused[path] === file;
    if (isRefused) refused[path] = file;
    if (!memory) {
      if (file !== undefined && file === was) plan.removeFile.push({ path, sha: file });
      else if (file !== undefined && !readOnly && !isRefused) plan.push.push({ path, sha: file, over: null });
      // A file that is beyond what was looked at may still be there.
      if (file !== undefined || folder.complete) base.delete(path);
    } else if (file === undefined) {
      if (was === undefined || memory.sha !== was || readOnly || !trusted) {
        if (folder.complete || was === undefined) plan.pull.push({ path, memory, was: null });
        continue;
      }
      missing[path] = before.missing[path] ?? now;
      const due = last || now - missing[path] >= MISSING_FOR_MS;
      if (due && plan.deleteMemory.length < most) plan.deleteMemory.push({ path, memory });
    } else if (file === memory.sha) {
      base.set(path, file);
    } else if (memory.sha !== was || readOnly) {
      if (file !== was) plan.conflicts.push(path);
      plan.pull.push({ path, memory, was: file });
    } else if (!isRefused) {
      plan.push.push({ path, sha: file, over: memory });
    }
  }
  plan.notes = {
    base: Object.fromEntries(base),
    refused,
    missing,
    sent: Object.fromEntries(plan.push.map(({ path, sha }) => [path, sha])),
    pulled: Object.fromEntries(plan.pull.map(({ path, memory, was }) => [path, { sha: memory.sha, was }])),
  };
  return plan;
}

/** The base, with what a sync that was cut off has done after all. */
function settled(folder: Folder, memories: ReadonlyMap<string, Memory>, before: Notes): Map<string, string> {
  const base = new Map(Object.entries(before.base));
  for (const [path, sha] of Object.entries(before.sent))
    if (memories.get(path)?.sha === sha) base.set(path, sha);
  for (const [path, { sha, was }] of Object.entries(before.pulled)) {
    const file = folder.files.get(path);
    // Written, and perhaps edited since.
    if (file !== undefined && file !== was) base.set(path, sha);
  }
  return base;
}
