// Stores outputs in a directory: on the worker's machine, or on a file system that all workers mount.
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DirectoryTarget, OutputStore } from './store.ts';

export class DirectoryStore implements OutputStore {
  readonly target: string;

  constructor({ path }: DirectoryTarget) {
    this.target = path;
  }

  async put(key: string, content: Readable, signal: AbortSignal): Promise<void> {
    const file = join(this.target, key);
    // On the same file system, so that the rename is atomic. No key begins with `.partial`: ids have no dots.
    const part = join(this.target, '.partial', randomUUID());
    try {
      await mkdir(dirname(part), { recursive: true });
      // Flushed to the disk, because the sandbox is killed once the file counts as copied.
      const written = createWriteStream(part, { flags: 'wx', flush: true });
      await pipeline(content, written, { signal });
      await mkdir(dirname(file), { recursive: true });
      await rename(part, file);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}
