/**
 * State of a simulator on disk: tables of JSON values in an append-only log, one line per batch of changes. A kill at
 * any moment leaves each batch whole or absent. The log is compacted when the store opens and when it has grown large.
 */
import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** `[table, id, value]`, or `[table, id]` for a deletion. */
type Change = [table: string, id: string, value?: unknown];

const COMPACT_ABOVE_BYTES = 16 * 1024 * 1024;

/** Entries by id, in the order of their first `put`. To change a value, change it in place and `put` it again. */
export class Table<T> {
  readonly #entries = new Map<string, T>();
  readonly #changed: (id: string) => void;

  constructor(changed: (id: string) => void) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): T | undefined {
    return this.#entries.get(id);
  }

  values(): T[] {
    return [...this.#entries.values()];
  }

  entries(): [string, T][] {
    return [...this.#entries.entries()];
  }

  put(id: string, value: T): T {
    this.#entries.set(id, value);
    this.#changed(id);
    return value;
  }

  delete(id: string): boolean {
    const had = this.#entries.delete(id);
    if (had) this.#changed(id);
    return had;
  }
}

export class Store {
  readonly #path: string;
  readonly #tables = new Map<string, Table<unknown>>();
  readonly #dirty = new Map<string, Set<string>>();
  #file: FileHandle | undefined;
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens or creates the store and its folder. Throws if the log is damaged before its last line. */
  static async open(path: string): Promise<Store> {
    const store = new Store(path);
    await mkdir(dirname(path), { recursive: true });
    await store.#load();
    await store.#compact();
    return store;
  }

  /** The table of this name. The type is the caller's claim and is not checked. */
  table<T>(name: string): Table<T> {
    let table = this.#tables.get(name);
    if (!table) {
      const changed = (id: string) => {
        const ids = this.#dirty.get(name);
        if (ids) ids.add(id);
        else this.#dirty.set(name, new Set([id]));
      };
      table = new Table<unknown>(changed);
      this.#tables.set(name, table);
    }
    return table as Table<T>;
  }

  /** Resolves when all earlier changes are written. Concurrent calls share one write. */
  save(): Promise<void> {
    if (this.#dirty.size === 0) return this.#queued ?? this.#writing;
    this.#queued ??= this.#writing.then(() => {
      this.#queued = undefined;
      this.#writing = this.#flush();
      return this.#writing;
    });
    return this.#queued;
  }

  /** All tables as plain objects. */
  dump(): Record<string, Record<string, unknown>> {
    const tables = [...this.#tables].map(([name, table]) => [name, Object.fromEntries(table.entries())]);
    return Object.fromEntries(tables);
  }

  async close(): Promise<void> {
    await this.save();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #load(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = text.split('\n');
    // Text after the last newline is a batch whose write was cut off; no answer has depended on it.
    lines.pop();
    for (const [index, line] of lines.entries()) {
      for (const change of parseBatch(line, `${this.#path}:${index + 1}`)) {
        const table = this.table(change[0]);
        if (change.length === 3) table.put(change[1], change[2]);
        else table.delete(change[1]);
      }
    }
    this.#dirty.clear();
  }

  async #compact(): Promise<void> {
    const changes: Change[] = [...this.#tables].flatMap(([name, table]) =>
      table.entries().map(([id, value]): Change => [name, id, value]),
    );
    this.#dirty.clear();
    const text = changes.map((change) => `${JSON.stringify([change])}\n`).join('');
    const temporary = `${this.#path}.tmp`;
    await writeFile(temporary, text, { mode: 0o600 });
    await this.#file?.close();
    await rename(temporary, this.#path);
    this.#file = await open(this.#path, 'a');
    this.#bytes = 0;
  }

  async #flush(): Promise<void> {
    const changes: Change[] = [];
    for (const [name, ids] of this.#dirty) {
      for (const id of ids) {
        const value = this.#tables.get(name)?.get(id);
        changes.push(value === undefined ? [name, id] : [name, id, value]);
      }
    }
    this.#dirty.clear();
    if (changes.length === 0) return;
    if (!this.#file) throw new Error(`the store ${this.#path} is closed`);
    const line = `${JSON.stringify(changes)}\n`;
    await this.#file.appendFile(line);
    this.#bytes += line.length;
    if (this.#bytes > COMPACT_ABOVE_BYTES) await this.#compact();
  }
}

function parseBatch(line: string, where: string): Change[] {
  try {
    return JSON.parse(line) as Change[];
  } catch {
    throw new Error(`the state file is damaged at ${where}; remove it to start with an empty state`);
  }
}
