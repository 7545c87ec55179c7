// Lists and opens the output files of a session, which lie below `outputs/`.
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, openRegular, pathBelow } from './files-below.ts';
import { MAX_OUTPUTS, type OutputList } from './protocol.ts';

export class Outputs {
  readonly #root: string;

  constructor(workdir: string) {
    this.#root = join(workdir, 'outputs');
  }

  /** The newest output files. @param most maximum number of files to name; all are counted */
  async list(most: number): Promise<OutputList> {
    const { files, complete } = await filesBelow(this.#root, MAX_OUTPUTS);
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

  /** Opens an output file; the caller closes it. @throws PathError, or a system error such as ENOENT */
  async open(path: string): Promise<{ handle: FileHandle; size: number }> {
    const handle = await openRegular(await pathBelow(this.#root, path));
    return { handle, size: (await handle.stat()).size };
  }
}
