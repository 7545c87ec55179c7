// Reads a zip archive, member by member. It uses only the central directory and ignores bytes that no entry refers to.
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise } from 'yauzl';
import { ArchiveError, type Member, type Take } from './archive-member.ts';

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;

/** Passes every member to `take`, in order. @throws ArchiveError, or a system error */
export async function readZip(archive: string, take: Take): Promise<void> {
  try {
    const zip = await openPromise(archive, { autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        const member = memberOf(entry);
        if (member.kind !== 'file') {
          await take(member, null);
          continue;
        }
        if (entry.isEncrypted()) throw new ArchiveError(`member "${entry.fileName}" is encrypted`);
        const content = await zip.openReadStreamPromise(entry);
        await take(member, Readable.from(checked(content, entry), { objectMode: false }));
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    throw isSystemError(error) ? error : asArchiveError(error);
  }
}

/** Checks the CRC of a member: the library checks only its size. */
async function* checked(content: AsyncIterable<Buffer>, entry: Entry): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of content) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw new ArchiveError(`member "${entry.fileName}" is damaged`);
}

function memberOf(entry: Entry): Member {
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & 0o170000;
  const named = entry.fileName.endsWith('/');
  const kind = named || type === DIRECTORY ? 'directory' : type === 0 || type === REGULAR ? 'file' : 'other';
  const size = entry.uncompressedSize;
  return { path: entry.fileName, kind, executable: (mode & 0o111) !== 0, size };
}

/** Whether the error comes from a system call, such as ENOSPC. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** Turns the error of a library into an ArchiveError. */
export function asArchiveError(error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  return new ArchiveError(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
}
