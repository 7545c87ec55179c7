// The journal of calls on disk: a file of JSON lines, synced before a call runs and again when it has ended.
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Call } from './call.ts';

/** After growing by this much, the file is rewritten with only the latest record of each call. */
const REWRITE_AFTER_BYTES = 16 * 1024 * 1024;
/** Disk space reserved for records: a call that fills the disk must not prevent the call that frees it. */
const RESERVE_BYTES = 2 * 1024 * 1024;

/** Synchronous on purpose: records stay in order, and nothing can run between a record and the call it announces. */
export class Journal {
  readonly #file: string;
  readonly #reserve: string;
  readonly #rewriteAfter: number;
  #fd = -1;
  #grown = 0;
  #torn = false;

  /** @param dir is created if it is missing @throws a system error if it cannot be created */
  constructor(dir: string, { rewriteAfter = REWRITE_AFTER_BYTES } = {}) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#file = join(dir, 'calls.jsonl');
    this.#reserve = join(dir, 'reserve');
    this.#rewriteAfter = rewriteAfter;
  }

  /** The last record of each call, in the order in which the calls began, and the number of unreadable lines. */
  load(): { calls: Call[]; damaged: number } {
    const calls = new Map<string, Call>();
    let damaged = 0;
    for (const line of existsSync(this.#file) ? readFileSync(this.#file, 'utf8').split('\n') : []) {
      if (!line) continue;
      const call = parse(line);
      if (call) calls.set(call.id, call);
      else damaged += 1;
    }
    return { calls: [...calls.values()], damaged };
  }

  /** Adds a record and returns once it is on disk. @throws a system error if it cannot be written */
  append(call: Call): void {
    const line = `${JSON.stringify(call)}\n`;
    try {
      this.#write(line);
      this.#keepReserve();
    } catch (error) {
      if (!existsSync(this.#reserve)) throw error;
      rmSync(this.#reserve);
      this.#write(line);
    }
  }

  /** Whether the file has grown so much that it should be rewritten. */
  get isLong(): boolean {
    return this.#grown >= this.#rewriteAfter;
  }

  /** Atomically replaces the file by the given records. @throws a system error if it cannot be written */
  rewrite(calls: Iterable<Call>): void {
    const next = `${this.#file}.new`;
    const fd = openSync(next, 'w', 0o600);
    try {
      // Until all is written: on a full disk a single write may write a part, without an error.
      for (const call of calls) writeFileSync(fd, `${JSON.stringify(call)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(next, this.#file);
    syncDirectory(join(this.#file, '..'));
    this.close();
    this.#fd = openSync(this.#file, 'a', 0o600);
    this.#grown = 0;
    this.#keepReserve();
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #write(text: string): void {
    // A failed write may have left half a line, which the new line break ends.
    const bytes = Buffer.from(this.#torn ? `\n${text}` : text);
    this.#torn = true;
    let written = 0;
    while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    fdatasyncSync(this.#fd);
    this.#torn = false;
    this.#grown += bytes.length;
  }

  #keepReserve(): void {
    if (existsSync(this.#reserve)) return;
    try {
      writeFileSync(this.#reserve, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
    } catch {
      // The disk is full already; the next record tries again.
      rmSync(this.#reserve, { force: true });
    }
  }
}

/** The record in a line; undefined if a crash has torn the line. */
function parse(line: string): Call | undefined {
  try {
    const call = JSON.parse(line) as Partial<Call> | null;
    return typeof call?.id === 'string' && typeof call.state === 'string' ? (call as Call) : undefined;
  } catch {
    return undefined;
  }
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
