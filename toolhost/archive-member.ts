// What the readers of the formats have in common: a member of an archive, and how an archive is refused.
import type { Readable } from 'node:stream';

export interface Member {
  /** As the archive has it. */
  path: string;
  kind: 'file' | 'directory' | 'other';
  executable: boolean;
  /** Bytes as announced; what is really read counts. */
  size: number;
}

/** Takes one member; the next one is read when it has resolved. `content` is null for anything but a file. */
export type Take = (member: Member, content: Readable | null) => Promise<void>;

/** The archive is not installed; the message says why, for a person. */
export class ArchiveError extends Error {
  override name = 'ArchiveError';
}
