/** Snapshots: named copies of sandbox disks, without memory, from which new sandboxes start. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Table } from '../common/store.ts';
import { removeTree } from './isolation/owner.ts';
import type { SandboxRecord } from './record.ts';

export interface SnapshotRecord {
  /** `local/<name>:<tag>`, or a random id if it has no name. */
  id: string;
  names: string[];
  sandboxId: string;
  /** Template build below the disk. */
  buildId: string;
  /** Milliseconds of the simulator's clock. */
  createdAt: number;
  /** Folder of the disk. */
  dir: string;
}

interface SnapshotsOptions {
  table: Table<SnapshotRecord>;
  save(): Promise<void>;
  folder: string;
  now(): number;
  /** Copies the disk of a running sandbox into a folder. */
  copy(sandboxId: string, to: string): Promise<SandboxRecord>;
}

/** Team prefix of all snapshot names. */
const TEAM = 'local/';
const DEFAULT_TAG = ':default';

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** Running copies from each disk, by its folder. */
  readonly #readers = new Map<string, Set<Promise<unknown>>>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Takes a snapshot; an existing snapshot with this name and tag is replaced. Throws a 404 or 409. */
  async take(sandboxId: string, name?: string): Promise<SnapshotRecord> {
    const { table, save, folder, now, copy } = this.#options;
    const dir = join(folder, randomBytes(10).toString('hex'));
    const { buildId } = await this.#fillFolder(dir, () => copy(sandboxId, dir));
    const id = tagged(name ? `${TEAM}${bare(name)}` : randomBytes(10).toString('hex'));
    const before = table.get(id);
    const names = name ? [id] : [];
    const record = table.put(id, { id, names, sandboxId, buildId, createdAt: now(), dir });
    await save();
    if (before) await this.#dropDisk(before.dir);
    return record;
  }

  /** Calls `work` with a temporary copy of the sandbox's disk. */
  async withCopy<T>(
    sandboxId: string,
    work: (source: SandboxRecord, disk: string) => Promise<T>,
  ): Promise<T> {
    const dir = join(this.#options.folder, randomBytes(10).toString('hex'));
    const source = await this.#fillFolder(dir, () => this.#options.copy(sandboxId, dir));
    try {
      return await work(source, dir);
    } finally {
      await removeTree(dir);
    }
  }

  /** Finds a snapshot by id or name, with or without its team and the default tag. */
  find(reference: string): SnapshotRecord | undefined {
    const { table } = this.#options;
    return table.get(tagged(reference)) ?? table.get(tagged(`${TEAM}${reference}`));
  }

  list(): SnapshotRecord[] {
    return this.#options.table.values();
  }

  /** Calls `work` with the disk of a snapshot, which is not deleted before `work` is done. */
  async read<T>({ dir }: SnapshotRecord, work: (disk: string) => Promise<T>): Promise<T> {
    const readers = this.#readers.get(dir) ?? new Set();
    const reading = work(dir);
    this.#readers.set(dir, readers.add(reading));
    try {
      return await reading;
    } finally {
      readers.delete(reading);
      if (readers.size === 0) this.#readers.delete(dir);
    }
  }

  async remove({ id, dir }: SnapshotRecord): Promise<void> {
    this.#options.table.delete(id);
    await this.#options.save();
    await this.#dropDisk(dir);
  }

  /** Creates the folder, and removes disks without a record that a crash has left behind. */
  async adopt(): Promise<void> {
    const { folder, table } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const known = new Set(table.values().map(({ dir }) => dir));
    for (const name of await readdir(folder))
      if (!known.has(join(folder, name))) await removeTree(join(folder, name));
  }

  async removeAll(): Promise<void> {
    for (const record of this.list()) await this.remove(record);
  }

  async #fillFolder<T>(dir: string, fill: () => Promise<T>): Promise<T> {
    try {
      return await fill();
    } catch (error) {
      await removeTree(dir);
      throw error;
    }
  }

  async #dropDisk(dir: string): Promise<void> {
    await Promise.allSettled(this.#readers.get(dir) ?? []);
    await removeTree(dir);
  }
}

function bare(name: string): string {
  return name.startsWith(TEAM) ? name.slice(TEAM.length) : name;
}

function tagged(name: string): string {
  return name.includes(':') ? name : `${name}${DEFAULT_TAG}`;
}
