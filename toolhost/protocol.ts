// What the router and the toolhost say to each other: port, bounds, and the shape of each answer. Both sides use it.
// Types and constants alone, so that it costs the toolhost's bundle nothing; the router checks every answer against
// a schema (src/clients/toolhost-answers.ts), for what answers on the port may be the model's.

/** The toolhost's port in every sandbox. */
export const TOOLHOST_PORT = 7800;

/** Most bytes of UTF-8 in the text of a result, the note about a cut included. */
export const MAX_RESULT_BYTES = 100 * 1024;
/** Most bytes of an image or a document in base64. */
export const MAX_MEDIA_BYTES = 7 * 1024 * 1024;
/** Most blocks of content in a result. */
export const MAX_BLOCKS = 20;
/** Most entries of a folder that are looked at, and so most files in a list of outputs. */
export const MAX_OUTPUTS = 10_000;
/** Most files of a memory folder. */
export const MAX_MEMORY_FILES = 5_000;
/** Most bytes of an answer in JSON, whatever it is about. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** `running` includes waiting for its turn. `cut_off`: the toolhost died while the call ran. */
export type CallState = 'running' | 'finished' | 'cancelled' | 'cut_off';

export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'] as const;

/** A block of a result, as the API takes it. `data` is base64, of at most MAX_MEDIA_BYTES. */
export type Content =
  | { type: 'text'; text: string }
  | { type: 'image'; source: { type: 'base64'; media_type: (typeof IMAGE_TYPES)[number]; data: string } }
  | { type: 'document'; source: { type: 'base64'; media_type: 'application/pdf'; data: string } };

export interface ToolhostHealth {
  version: string | number;
  bootId: string;
}

export interface OutputFile {
  path: string;
  /** Bytes. */
  size: number;
  /** ISO 8601. */
  modifiedAt: string;
}

/** What a session has put out. */
export interface OutputList {
  /** Newest first, at most as many as asked for. */
  files: OutputFile[];
  /** Of all files that were looked at. */
  count: number;
  bytes: number;
  /** False where there are more than are looked at. */
  complete: boolean;
}

export interface InstalledSkill {
  /** Its directory. */
  name: string;
  skillId: string;
  versionId: string;
}

/** A memory store's folder. */
export interface MemoryScan {
  /** `other`: marked as the folder of another store. */
  marker: 'ours' | 'missing' | 'other';
  /** By path; `sha` is null where the file is too large to be read. */
  files: Record<string, { sha: string | null; size: number }>;
  complete: boolean;
  /** The router's notes, and their revision; null and 0 before the first. */
  notes: unknown;
  revision: number;
}

/** `changed`: the file is not what was expected any more, and stays as it is. */
export type FileOutcome = 'done' | 'changed' | { failed: string };
