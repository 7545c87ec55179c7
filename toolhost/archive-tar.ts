// Reads a tar archive, plain or compressed, member by member.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Parser, type ReadEntry } from 'tar';
import { ArchiveError, type Member, type Take } from './archive-member.ts';
import { asArchiveError, isSystemError } from './archive-zip.ts';

const KINDS: Record<string, Member['kind']> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  GNUDumpDir: 'directory',
};

/** Compressions that the parser cannot read itself, by their first bytes. It reads gzip, and zstd only on newer Nodes. */
const DECOMPRESSORS = [
  { magic: 'fd377a585a00', command: 'xz' },
  { magic: '425a68', command: 'bzip2' },
  { magic: '28b52ffd', command: 'zstd' },
];
/** Reading stops this far above the limit: members that are left out and padding take time too. */
const OVERHEAD_BYTES = 64 * 1024 * 1024;

/**
 * Passes every member to `take`, in order.
 * @param maxBytes limit for the members together; an archive that announces much more is not read to its end
 * @throws ArchiveError, or a system error
 */
export async function readTar(archive: string, take: Take, maxBytes: number): Promise<void> {
  let taken: Promise<void> = Promise.resolve();
  let failure: unknown;
  let announced = 0;
  let members = 0;
  const fail = (error: unknown): void => {
    failure ??= error;
  };
  const count = (entry: ReadEntry): void => {
    members += 1;
    announced += entry.size;
    if (announced > maxBytes + OVERHEAD_BYTES)
      fail(new ArchiveError(`it unpacks to more than ${maxBytes} bytes`));
  };
  const onReadEntry = (entry: ReadEntry): void => {
    count(entry);
    const member = memberOf(entry);
    const content = member.kind === 'file' ? Readable.from(entry, { objectMode: false }) : null;
    // The parser continues once the entry has been read or resumed.
    taken = taken
      .then(() => (failure ? undefined : take(member, content)))
      .catch(fail)
      .finally(() => entry.resume());
  };
  const parser = new Parser({ strict: true, maxDecompressionRatio: Number.POSITIVE_INFINITY, onReadEntry });
  parser.on('ignoredEntry', count);
  parser.on('error', fail);
  try {
    for await (const chunk of await decompressed(archive)) {
      if (!parser.write(chunk)) await new Promise<unknown>((resolve) => parser.once('drain', resolve));
      if (failure) throw failure;
    }
    const ended = once(parser, 'end');
    parser.end();
    await ended;
  } catch (error) {
    fail(error);
  }
  await taken;
  if (failure) throw isSystemError(failure) ? failure : asArchiveError(failure);
  if (members === 0) throw new ArchiveError('it is neither a zip nor a tar archive');
}

function memberOf(entry: ReadEntry): Member {
  const kind = KINDS[entry.type] ?? 'other';
  return { path: entry.path, kind, executable: ((entry.mode ?? 0) & 0o111) !== 0, size: entry.size };
}

async function decompressed(archive: string): Promise<Readable> {
  const handle = await open(archive, 'r');
  const { buffer } = await handle.read(Buffer.alloc(6), 0, 6, 0).finally(() => handle.close());
  const head = buffer.toString('hex');
  const found = DECOMPRESSORS.find(({ magic }) => head.startsWith(magic));
  if (!found) return createReadStream(archive);
  const child = spawn(found.command, ['-dc', archive], { stdio: ['ignore', 'pipe', 'pipe'] });
  let message = '';
  child.stderr.on('data', (chunk: Buffer) => {
    message = `${message}${chunk}`.slice(0, 500);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', () =>
      reject(new ArchiveError(`this sandbox has no ${found.command} to unpack it with`)),
    );
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new ArchiveError(`${found.command} cannot read it: ${message.trim()}`)),
    );
  });
  ended.catch(() => {});
  return Readable.from(
    (async function* () {
      try {
        yield* child.stdout;
        await ended;
      } finally {
        child.kill('SIGKILL');
      }
    })(),
    { objectMode: false },
  );
}
