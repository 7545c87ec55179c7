// Long commands reach bash in a file: it reads a pipe byte by byte, and the kernel takes no longer argument.
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LONG_BYTES = 32 * 1024;

export function isLong(text: string): boolean {
  return Buffer.byteLength(text) > LONG_BYTES;
}

/** Calls `use` with a file that holds the text if it is long; with undefined if it is short or the disk is full. */
export async function withLongText<Result>(
  dir: string,
  text: string,
  use: (file: string | undefined) => Promise<Result>,
): Promise<Result> {
  if (!isLong(text)) return use(undefined);
  const file = join(dir, `command-${randomUUID()}`);
  try {
    const written = await write(dir, file, text);
    return await use(written ? file : undefined);
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}

async function write(dir: string, file: string, text: string): Promise<boolean> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(file, text, { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}
