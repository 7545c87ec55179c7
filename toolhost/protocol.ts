// The protocol between router and toolhost: port, limits, and the shape of each answer. Both sides import it. It holds
// only types and constants, which add nothing to the toolhost's bundle. The router checks every answer against a schema
// (src/clients/toolhost-answers.ts), because a program of the model may answer on the port.

/** The toolhost's port in every sandbox. */
export const TOOLHOST_PORT = 7800;

/** Maximum size of a result's text in bytes of UTF-8, including the note that it was cut. */
export const MAX_RESULT_BYTES = 100 * 1024;
/** Maximum size of an image or a document in bytes of base64. */
export const MAX_MEDIA_BYTES = 7 * 1024 * 1024;
/** Maximum number of content blocks in a result. */
export const MAX_BLOCKS = 20;
/** Maximum number of entries that are inspected below `outputs/`, and so of files in a list of outputs. */
export const MAX_OUTPUTS = 10_000;
/** Maximum number of files in a memory folder. */
export const MAX_MEMORY_FILES = 5_000;
/** Maximum size of any JSON answer in bytes. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** `running`: the call runs or waits for earlier calls of its thread. `cut_off`: the toolhost died while the call ran. */
export type CallState = 'running' | 'finished' | 'cancelled' | 'cut_off';

export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'] as const;

/** A content block of a result in the API's format. `data` is base64, at most MAX_MEDIA_BYTES long. */
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

/** The output files of a session. */
export interface OutputList {
  /** Newest first, at most as many as requested. */
  files: OutputFile[];
  /** Number of all files that were inspected. */
  count: number;
  /** Size of all files that were inspected. */
  bytes: number;
  /** False if there are more than MAX_OUTPUTS entries. */
  complete: boolean;
}

export interface InstalledSkill {
  /** Name of its directory below `skills/`. */
  name: string;
  skillId: string;
  versionId: string;
}

/** The content of a memory store's folder. */
export interface MemoryScan {
  /** `other`: the folder is marked as the folder of another store. */
  marker: 'ours' | 'missing' | 'other';
  /** Files by path; `sha` is their SHA-256, or null if the file is too large to be read. */
  files: Record<string, { sha: string | null; size: number }>;
  /** False if there are more than MAX_MEMORY_FILES entries. */
  complete: boolean;
  /** The router's notes and their revision; null and 0 if there are none yet. */
  notes: unknown;
  revision: number;
}

/** Outcome of a change. `changed`: the file no longer had the expected content, so it was left as it is. */
export type FileOutcome = 'done' | 'changed' | { failed: string };
