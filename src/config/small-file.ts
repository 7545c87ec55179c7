// Small files that a person or another program writes: keys, tokens.
import { readFileSync, statSync } from 'node:fs';

const MAX_BYTES = 64 * 1024;

/**
 * Text of a file of at most 64 KiB. A pipe is not opened: its reader would wait for a writer.
 * @throws Error whose message completes the sentence "The file …", without the content
 */
export function readSmallFile(path: string): string {
  let problem: string;
  try {
    const status = statSync(path);
    if (!status.isFile()) problem = 'is not a file';
    else if (status.size > MAX_BYTES) problem = 'is larger than 64 KiB';
    else return readFileSync(path, 'utf8');
  } catch (error) {
    problem = `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
  throw new Error(problem);
}
