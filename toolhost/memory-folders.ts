// The folders of memory stores: mounts, reads and changes them, and keeps the router's notes about its last sync. The
// notes are kept in the sandbox, so that they are paused, resumed and lost together with the folders. The router merges.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { filesBelow, hashOf, openRegular, PathError, pathBelow } from './files-below.ts';
import { type FileOutcome, MAX_MEMORY_FILES, type MemoryScan } from './protocol.ts';

/** The same file as in Anthropic's worker: a folder counts as a store's only if its marker names the store. */
const MARKER = '.anthropic-memory-store';
/** Larger files are not read: the service accepts at most 100 KiB. */
export const MAX_FILE_BYTES = 1024 * 1024;

export interface Mount {
  storeId: string;
  root: string;
  readOnly: boolean;
}

export interface Changes {
  /** `expect`: SHA-256 of the file before the change; null if it should not exist. */
  write?: { path: string; content: string; expect: string | null }[];
  remove?: { path: string; expect: string }[];
}

interface MountRecord extends Mount {
  revision: number;
  notes: unknown;
}

/** Temporary files, which a write that was cut off leaves behind. */
const TEMPORARY = /(^|\/)\.put-[\w-]{36}$/;

/** The notes have a newer revision than the request expects. */
export class StaleNotes extends Error {
  override name = 'StaleNotes';
}

export class MemoryFolders {
  readonly #dir: string;
  readonly #workdir: string;
  readonly #stateDir: string;
  readonly #records = new Map<string, MountRecord>();
  readonly #hashes = new Map<string, { stamp: string; sha: string }>();

  /** Loads the mounts of earlier boots. @throws a system error if `stateDir` cannot be used */
  constructor(stateDir: string, workdir: string) {
    this.#dir = join(stateDir, 'memory');
    this.#workdir = workdir;
    this.#stateDir = stateDir;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#dir)) {
      const record = readRecord(join(this.#dir, name));
      if (record) this.#records.set(record.storeId, record);
    }
  }

  /** All mounted stores. */
  get mounts(): Mount[] {
    return [...this.#records.values()];
  }

  /**
   * Creates the folder if it is missing, and records it. Safe to repeat.
   * @throws PathError if the folder cannot be at this place
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
    // Notes about a folder at another place do not apply to this folder.
    const { revision = 0, notes = null } = known?.root === root ? known : {};
    this.#save({ ...mount, revision, notes });
  }

  /** Lists and hashes the files of the folder. @throws PathError if the store is not mounted */
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
   * Replaces the notes and writes the marker into the folder.
   * @param revision the latest revision that the router knows
   * @returns the new revision
   * @throws StaleNotes if the notes have another revision
   */
  async replaceNotes(storeId: string, revision: number, notes: unknown): Promise<number> {
    const record = this.#record(storeId);
    if (record.revision !== revision) throw new StaleNotes(`the notes are at revision ${record.revision}`);
    this.#save({ ...record, revision: revision + 1, notes });
    await makeDirectories(record.root);
    await put(join(record.root, MARKER), `version 1\n${storeId}`);
    return revision + 1;
  }

  /** The text of a file; null if there is no such file. @throws PathError if it is too large, a link, or not UTF-8 */
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

  /** Makes each change whose file still has the expected content. @returns the outcome for each path */
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
    const workdir = this.#workdir;
    const taken = [workdir, join(workdir, 'skills'), join(workdir, 'outputs'), this.#stateDir, ...others];
    // A store may lie within the working directory, but not within any other place that is taken.
    const inUse = taken.find(
      (place) => contains(root, place) || (place !== workdir && contains(place, root)),
    );
    if (inUse) throw new PathError(`mount path ${root} collides with ${inUse}`);
  }

  /**
   * SHA-256 of a file, cached while size, times and inode stay the same. A file changed in the last two seconds is not
   * cached: a second change could fall on the same time stamp.
   */
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
      // The file was removed meanwhile, or replaced by a link.
      return null;
    }
  }

  #record(storeId: string): MountRecord {
    const record = this.#records.get(storeId);
    if (!record) throw new PathError(`store ${storeId} is not mounted here`);
    return record;
  }

  #save(record: MountRecord): void {
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

/** Not `mkdir` with `recursive`: it never returns on a file system that wrongly reports an existing parent as missing. */
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

function readRecord(file: string): MountRecord | undefined {
  try {
    if (!file.endsWith('.json') || !existsSync(file)) return undefined;
    const record = JSON.parse(readFileSync(file, 'utf8')) as MountRecord;
    return typeof record.root === 'string' && typeof record.storeId === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
