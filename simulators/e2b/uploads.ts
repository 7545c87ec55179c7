/** Uploaded files for the COPY steps of builds, by hash; kept while a build uses them. */
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock, ClockTimer } from '../common/clock.ts';
import { ApiError } from './api-error.ts';

const HASH = /^[A-Za-z0-9_-]{1,128}$/;
/** The lifetime of E2B's upload URLs. */
const UNUSED_MS = 3_600_000;
const MAX_BYTES = 1024 ** 3;

export class Uploads {
  readonly #folder: string;
  readonly #clock: Clock;
  /** Hash of the file by the token of its upload URL. */
  readonly #addresses = new Map<string, string>();
  /** Timers that remove files that no build uses, by hash. */
  readonly #unused = new Map<string, ClockTimer>();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Returns the token of an upload URL, valid for an hour. Throws a 400 for an invalid hash. */
  offer(hash: string): { present: boolean; token: string } {
    if (!HASH.test(hash)) throw new ApiError(400, 'the hash of the files must be letters and digits');
    const token = randomBytes(24).toString('hex');
    this.#addresses.set(token, hash);
    this.#clock.setTimeout(() => this.#addresses.delete(token), UNUSED_MS);
    const present = existsSync(this.#path(hash));
    if (present && this.#unused.has(hash)) this.expire(hash);
    return { present, token };
  }

  /** Stores an uploaded file. Throws a 404 for an unknown token, and a 411, 413 or 400 about the size. */
  async receive(token: string, content: Readable, bytes: number): Promise<void> {
    const hash = this.#addresses.get(token);
    if (!hash) throw new ApiError(404, 'there is no such address for files, or it has expired');
    if (Number.isNaN(bytes)) throw new ApiError(411, 'the size of the files must be announced');
    if (bytes > MAX_BYTES) throw new ApiError(413, `files may have ${MAX_BYTES} bytes, not ${bytes}`);
    const part = `${this.#path(hash)}.${token}`;
    const out = createWriteStream(part);
    try {
      await pipeline(content, out);
      if (out.bytesWritten !== bytes)
        throw new ApiError(400, `${bytes} bytes were announced, and ${out.bytesWritten} came`);
      await rename(part, this.#path(hash));
      this.expire(hash);
    } finally {
      await rm(part, { force: true });
    }
  }

  /** Path of an uploaded file, which is kept from now on; undefined if it was not uploaded. */
  use(hash: string): string | undefined {
    if (!HASH.test(hash) || !existsSync(this.#path(hash))) return undefined;
    this.#unused.get(hash)?.clear();
    this.#unused.delete(hash);
    return this.#path(hash);
  }

  /** Removes the file in an hour, unless a build uses it by then. */
  expire(hash: string): void {
    this.#unused.get(hash)?.clear();
    this.#unused.set(
      hash,
      this.#clock.setTimeout(() => void this.remove(hash), UNUSED_MS),
    );
  }

  async remove(hash: string): Promise<void> {
    this.#unused.get(hash)?.clear();
    this.#unused.delete(hash);
    await rm(this.#path(hash), { force: true });
  }

  /** Takes over the files of an earlier process; `used`: hashes of files that builds use. */
  async adopt(used: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const name of await readdir(this.#folder)) {
      if (!HASH.test(name)) await rm(join(this.#folder, name), { force: true });
      else if (!used.has(name)) this.expire(name);
    }
  }

  #path(hash: string): string {
    return join(this.#folder, hash);
  }
}
