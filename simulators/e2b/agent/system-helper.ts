/** Extended attributes and inotify, through a Python process that runs while needed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { HELPER_SCRIPT } from './helper-script.ts';
import { RpcError } from './rpc-error.ts';

export const PYTHON = '/usr/bin/python3';

export type ChangeKind = 'CREATE' | 'WRITE' | 'REMOVE' | 'RENAME' | 'CHMOD';

/** A change and its path relative to the watched folder. */
export type Change = [ChangeKind, string];

interface Answer {
  id?: number;
  result?: unknown;
  error?: string;
  message?: string;
  watch?: number;
  events?: Change[];
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const IDLE_MS = 20_000;

export class SystemHelper {
  #child: ChildProcess | undefined;
  #nextId = 1;
  #idle: NodeJS.Timeout | undefined;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Map<number, (changes: Change[]) => void>();

  /** Whether the sandbox has Python. */
  get available(): boolean {
    return existsSync(PYTHON);
  }

  /** The `user.e2b.` attributes of each path; empty for paths without or with no support for attributes. */
  async attributes(paths: string[]): Promise<Record<string, string>[]> {
    if (!this.available || paths.length === 0) return paths.map(() => ({}));
    return (await this.#call({ op: 'get', paths })) as Record<string, string>[];
  }

  /** Replaces all `user.e2b.` attributes of a file. */
  async setAttributes(path: string, values: Record<string, string>): Promise<void> {
    await this.#call({ op: 'set', path, values });
  }

  /** Watches a folder from now on. Returns a function that stops the watch. Throws errors of the file system. */
  async watch(path: string, recursive: boolean, notify: (changes: Change[]) => void): Promise<() => void> {
    const id = this.#nextId;
    this.#watchers.set(id, notify);
    try {
      await this.#call({ op: 'watch', path, recursive });
    } catch (error) {
      this.#watchers.delete(id);
      throw error;
    }
    return () => {
      if (!this.#watchers.delete(id)) return;
      this.#call({ op: 'unwatch', watch: id }).catch(() => undefined);
    };
  }

  #call(request: Record<string, unknown>): Promise<unknown> {
    const id = this.#nextId++;
    const child = this.#running();
    const result = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
    return result;
  }

  #running(): ChildProcess {
    clearTimeout(this.#idle);
    if (this.#child) return this.#child;
    if (!this.available)
      throw new RpcError(
        'unimplemented',
        `watching, terminals and file metadata need ${PYTHON} in the sandbox`,
      );
    const child = spawn(PYTHON, ['-I', '-S', '-c', HELPER_SCRIPT], {
      cwd: '/',
      env: { LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child = child;
    child.stdin?.on('error', () => undefined);
    child.on('error', () => this.#ended(child));
    child.on('exit', () => this.#ended(child));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) =>
      this.#onLine(line),
    );
    return child;
  }

  #onLine(line: string): void {
    const { id, result, error, message, watch, events } = JSON.parse(line) as Answer;
    if (watch !== undefined) this.#watchers.get(watch)?.(events ?? []);
    const pending = this.#pending.get(id ?? 0);
    if (!pending) return;
    this.#pending.delete(id ?? 0);
    if (error) pending.reject(Object.assign(new Error(message), { code: error }));
    else pending.resolve(result);
    if (this.#pending.size > 0 || this.#watchers.size > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#child?.stdin?.end(), IDLE_MS).unref();
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const { reject } of this.#pending.values()) reject(new Error('the helper of the sandbox ended'));
    this.#pending.clear();
    this.#watchers.clear();
  }
}
