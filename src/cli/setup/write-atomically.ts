// Replaces a file in one step, so that an interruption leaves the old one or the new one.
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CommandError } from '../command.ts';

/**
 * @param mode permissions of the file; a link is followed, so that it stays a link
 * @throws CommandError if it cannot be written; the file is as it was
 */
export function writeAtomically(path: string, text: string, mode: number): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  rmSync(temporary, { force: true });
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      // Until all is written: on a full disk a single write may write a part, without an error.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (!code) throw error;
    throw new CommandError(
      `${path} cannot be written (${code}), and is as it was: make room or give access, and run the command again`,
    );
  }
}
