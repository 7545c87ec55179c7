// A log file that cannot fill the disk: a full file is kept once more under another name, then replaced.
import { appendFileSync, renameSync, statSync } from 'node:fs';

const MAX_BYTES = 8 * 1024 * 1024;

export class BoundedLog {
  readonly #file: string;
  readonly #maxBytes: number;
  #size: number;

  constructor(file: string, maxBytes = MAX_BYTES) {
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Drops what the disk has no room for: the router must go on without its log. */
  write(chunk: string | Buffer): void {
    try {
      if (this.#size >= this.#maxBytes) {
        renameSync(this.#file, `${this.#file}.1`);
        this.#size = 0;
      }
      appendFileSync(this.#file, chunk, { mode: 0o600 });
      this.#size += Buffer.byteLength(chunk);
    } catch {
      // `status` shows the disk.
    }
  }
}
