// Folders of memory stores: where each is mounted, what lies in it, and the router's notes on its last sync, which are
// kept beside the folders so that they share their fate: paused, resumed and lost together. Merging is the router's.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { filesBelow, hashOf, openRegular, PathError, pathBelow } from './files-below.ts';
import { type FileOutcome, MAX_MEMORY_FILES, type MemoryScan } from './protocol.ts';

/** As the official worker has it: a folder is only trusted with the right one in it. */
const MARKER = '.anthropic-memory-store';
/** The service takes 100 KiB; what is far larger is not read at all. */
export const MAX_FILE_BYTES = 1024 * 1024;

export interface Mount {
  storeId: string;
  root: string;
  readOnly: boolean;
}

export interface Changes {
  /** `expect`: the SHA-256 of what is there now; null for nothing. */
  write?: { path: string; content: string; expect: string | null }[];
  remove?: { path: string; expect: string }[];
}

interface Kept extends Mount {
  revision: number;
  notes: unknown;
}

/** A write that was cut off leaves one behind. */
const TEMPORARY = /(^|\/)\.put-[\w-]{36}$/;

/** The notes have been replaced by somebody else meanwhile. */
export class StaleNotes extends Error {
  override name = 'StaleNotes';
}

export class MemoryFolders {
  readonly #dir: string;
  readonly #forbidden: string[];
  readonly #records = new Map<string, Kept>();
  readonly #hashes = new Map<string, { stamp: string; sha: string }>();

  /** @param forbidden directories that no store may be mounted at, above or, but for the first, within */
  constructor(stateDir: string, workdir: string) {
    this.#dir = join(stateDir, 'memory');
    this.#forbidden = [workdir, stateDir];
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#dir)) {
      const record = readRecord(join(this.#dir, name));
      if (record) this.#records.set(record.storeId, record);
    }
  }

  get mounts(): Mount[] {
    return [...this.#records.values()];
  }

  /**
   * Makes the folder and remembers it; done twice, it changes nothing.
   * @throws PathError if the place cannot be used
   */
  async mount(mount: Mount): Promise<void> {
    const { storeId, root } = mount;
    this.#checkPlace(mount);
    try {
      await makeDirectories(root);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      throw new PathError(`the folder ${root} cannot be made (${code})`);
    }
    if (!(await lstat(root)).isDirectory()) throw new PathError(`${root} is not a directory`);
    const known = this.#records.get(storeId);
    if (known && known.root === root && known.readOnly === mount.readOnly) return;
    // Notes on a folder elsewhere say nothing about this one.
    const { revision = 0, notes = null } = known?.root === root ? known : {};
    this.#save({ ...mount, revision, notes });
  }

  async scan(storeId: string): Promise<MemoryScan> {
    const { root, notes, revision } = this.#record(storeId);
    const { files, complete } = await filesBelow(root, MAX_MEMORY_FILES);
    const scan: MemoryScan = { marker: 'missing', files: {}, complete, notes, revision };
    for (const { path, size } of files) {
      if (TEMPORARY.test(path)) continue;
      const sha = size > MAX_FILE_BYTES ? null : await this.#hash(join(root, path));
      if (path === MARKER) scan.marker = sha === markerSha(storeId) ? 'ours' : 'other';
      else if (size > MAX_FILE_BYTES || sha !== null) scan.files[path] = { sha, size };
    }
    return scan;
  }

  /**
   * Replaces the notes, and marks the folder as the store's.
   * @throws StaleNotes if they are not at this revision
   */
  async note(storeId: string, revision: number, notes: unknown): Promise<number> {
    const record = this.#record(storeId);
    if (record.revision !== revision) throw new StaleNotes(`the notes are at revision ${record.revision}`);
    this.#save({ ...record, revision: revision + 1, notes });
    await makeDirectories(record.root);
    await put(join(record.root, MARKER), `version 1\n${storeId}`);
    return revision + 1;
  }

  /** A file's text; null where there is none. @throws PathError if it is not a readable text */
  async read(storeId: string, path: string): Promise<string | null> {
    const file = await pathBelow(this.#record(storeId).root, path);
    const sha = await hashOf(file);
    if (sha === null) return null;
    const handle = await openRegular(file);
    try {
      if ((await handle.stat()).size > MAX_FILE_BYTES) throw new PathError('it is too large');
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await handle.readFile());
    } catch (error) {
      throw error instanceof TypeError ? new PathError('it is not UTF-8') : error;
    } finally {
      await handle.close();
    }
  }

  /** Each change for itself, and only where the file is still what it was expected to be. */
  async change(storeId: string, { write = [], remove = [] }: Changes): Promise<Record<string, FileOutcome>> {
    const { root } = this.#record(storeId);
    const outcomes: Record<string, FileOutcome> = {};
    const attempt = async (path: string, expect: string | null, act: (file: string) => Promise<void>) => {
      try {
        const file = await pathBelow(root, path);
        if (path === MARKER) throw new PathError('it is the marker of the folder');
        const now = await hashOf(file);
        if (now === expect) await act(file);
        outcomes[path] = now === expect ? 'done' : 'changed';
      } catch (error) {
        outcomes[path] = { failed: error instanceof Error ? error.message : String(error) };
      }
    };
    for (const { path, content, expect } of write) {
      await attempt(path, expect, async (file) => {
        if (dirname(file) !== root) await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        await put(file, content);
      });
    }
    for (const { path, expect } of remove) await attempt(path, expect, (file) => rm(file));
    return outcomes;
  }

  #checkPlace({ storeId, root }: Mount): void {
    const parts = root.split('/').slice(1);
    if (!root.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..'))
      throw new PathError(`mount path ${JSON.stringify(root)} is not a clean absolute path`);
    const others = this.mounts.filter((mount) => mount.storeId !== storeId).map((mount) => mount.root);
    const [workdir = '', ...state] = this.#forbidden;
    const taken = [workdir, join(workdir, 'skills'), join(workdir, 'outputs'), ...state, ...others];
    const inUse = taken.find(
      (place) => contains(root, place) || (place !== workdir && contains(place, root)),
    );
    if (inUse) throw new PathError(`mount path ${root} collides with ${inUse}`);
  }

  /** Unchanged files keep their hash; one changed within the clock's grain is read again. */
  async #hash(file: string): Promise<string | null> {
    try {
      const { mtimeNs, ctimeNs, size, ino } = await lstat(file, { bigint: true });
      const stamp = `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
      const known = this.#hashes.get(file);
      if (known?.stamp === stamp) return known.sha;
      const sha = await hashOf(file);
      const longAgo = BigInt(Date.now() - 2_000) * 1_000_000n;
      const settled = mtimeNs < longAgo && ctimeNs < longAgo;
      if (sha !== null && settled) this.#hashes.set(file, { stamp, sha });
      return sha;
    } catch {
      // Gone, or a link by now.
      return null;
    }
  }

  #record(storeId: string): Kept {
    const record = this.#records.get(storeId);
    if (!record) throw new PathError(`store ${storeId} is not mounted here`);
    return record;
  }

  #save(record: Kept): void {
    const file = join(this.#dir, `${record.storeId}.json`);
    writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
    this.#records.set(record.storeId, record);
  }
}

function markerSha(storeId: string): string {
  return createHash('sha256').update(`version 1\n${storeId}`).digest('hex');
}

function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(outer + sep);
}

/** One by one: Node's own recursion never ends where a file system says that a parent is missing which is there. */
async function makeDirectories(dir: string): Promise<void> {
  const parts = dir.split(sep);
  for (let depth = 2; depth <= parts.length; depth += 1) {
    try {
      await mkdir(parts.slice(0, depth).join(sep), { mode: 0o700 });
    } catch (error) {
      const made = (await lstat(parts.slice(0, depth).join(sep)).catch(() => undefined)) !== undefined;
      if (!made) throw error;
    }
  }
}

async function put(file: string, content: string): Promise<void> {
  const next = join(dirname(file), `.put-${randomUUID()}`);
  try {
    await writeFile(next, content, { flag: 'wx', mode: 0o600 });
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

function readRecord(file: string): Kept | undefined {
  try {
    if (!file.endsWith('.json') || !existsSync(file)) return undefined;
    const record = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    return typeof record.root === 'string' && typeof record.storeId === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
