/** Extended attributes and inotify, asked of a Python process that lives while it is needed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { HELPER_SCRIPT } from './helper-script.ts';
import { RpcError } from './rpc-error.ts';

export const PYTHON = '/usr/bin/python3';

export type ChangeKind = 'CREATE' | 'WRITE' | 'REMOVE' | 'RENAME' | 'CHMOD';

/** What happened, and to what: a path relative to the watched folder. */
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

  /** Whether the sandbox can do any of this. */
  get available(): boolean {
    return existsSync(PYTHON);
  }

  /** The `user.e2b.` attributes of each path; empty for what has none or cannot have any. */
  async attributes(paths: string[]): Promise<Record<string, string>[]> {
    if (!this.available || paths.length === 0) return paths.map(() => ({}));
    return (await this.#call({ op: 'get', paths })) as Record<string, string>[];
  }

  /** Makes these the only `user.e2b.` attributes of a file. */
  async setAttributes(path: string, values: Record<string, string>): Promise<void> {
    await this.#call({ op: 'set', path, values });
  }

  /** Tells what changes in a folder from now on; returns a function that stops. Throws the system's own errors. */
  async watch(path: string, recursive: boolean, tell: (changes: Change[]) => void): Promise<() => void> {
    const id = this.#nextId;
    this.#watchers.set(id, tell);
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
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.#hear(line));
    return child;
  }

  #hear(line: string): void {
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
