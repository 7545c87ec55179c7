// The types that the readers of all archive formats share, and the error for an unusable archive.
import type { Readable } from 'node:stream';

export interface Member {
  /** The path as it stands in the archive, not checked. */
  path: string;
  kind: 'file' | 'directory' | 'other';
  executable: boolean;
  /** Announced size in bytes; it may be wrong, so the bytes that are read are counted. */
  size: number;
}

/** Handles one member; the next member is read once it resolves. `content` is null unless the member is a file. */
export type Take = (member: Member, content: Readable | null) => Promise<void>;

/** The archive cannot be used; the message says why. */
export class ArchiveError extends Error {
  override name = 'ArchiveError';
}
