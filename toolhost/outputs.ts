// What the session has put out: the files below `outputs/`.
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, openRegular, pathBelow } from './files-below.ts';

export interface OutputFile {
  path: string;
  /** Bytes. */
  size: number;
  /** ISO 8601. */
  modifiedAt: string;
}

export interface OutputList {
  /** Newest first, at most as many as asked for. */
  files: OutputFile[];
  /** Of all files that were looked at. */
  count: number;
  bytes: number;
  /** False where there are more than are looked at. */
  complete: boolean;
}

const MAX_ENTRIES = 10_000;

export class Outputs {
  readonly #root: string;

  constructor(workdir: string) {
    this.#root = join(workdir, 'outputs');
  }

  async list(most: number): Promise<OutputList> {
    const { files, complete } = await filesBelow(this.#root, MAX_ENTRIES);
    const newest = files.sort((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? -1 : 1));
    return {
      files: newest.slice(0, most).map(({ path, size, modifiedMs }) => {
        return { path, size, modifiedAt: new Date(modifiedMs).toISOString() };
      }),
      count: files.length,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      complete,
    };
  }

  /** @throws PathError, or a system error such as ENOENT */
  async open(path: string): Promise<{ handle: FileHandle; size: number }> {
    const handle = await openRegular(await pathBelow(this.#root, path));
    return { handle, size: (await handle.stat()).size };
  }
}
