// Passes long commands to bash in a file: bash reads a pipe byte by byte, and the kernel limits the length of arguments.
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LONG_BYTES = 32 * 1024;

/** Whether a text is so long that bash should read it from a file. */
export function isLong(text: string): boolean {
  return Buffer.byteLength(text) > LONG_BYTES;
}

/**
 * Calls `use` with the path of a temporary file that holds the text, and removes the file afterwards.
 * `use` gets undefined if the text is short or the file cannot be written.
 */
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
