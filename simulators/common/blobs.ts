/** Files that are too large for a simulator's state log: written once under an id, never changed. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export class Blobs {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Opens (or creates) the folder. */
  static async open(dir: string): Promise<Blobs> {
    await mkdir(dir, { recursive: true });
    return new Blobs(dir);
  }

  /** `id` must come from us, because it becomes a file name. A crash leaves either the whole file or none. */
  async put(id: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, id);
    await writeFile(`${path}.tmp`, bytes);
    await rename(`${path}.tmp`, path);
  }

  get(id: string): Promise<Buffer> {
    return readFile(join(this.#dir, id));
  }

  async delete(id: string): Promise<void> {
    await rm(join(this.#dir, id), { force: true });
  }
}
