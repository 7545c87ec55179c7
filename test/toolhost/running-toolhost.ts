// Runs the real, bundled toolhost as a child process with its own directories and port.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { projectPath } from '../../src/paths.ts';
import type { Call } from '../../toolhost/call.ts';

/** What the worker sends to sandboxes; the set-up of the tests has built it. */
export const TOOLHOST_BUNDLE = projectPath('bundles/toolhost.mjs');

export interface Answer {
  status: number;
  body: Call & { code?: string; message?: string };
}

/** A toolhost that can be killed and started again with the same directories, as in one sandbox. */
export class RunningToolhost {
  readonly dir = mkdtempSync(join(tmpdir(), 'toolhost-'));
  readonly workdir = join(this.dir, 'session');
  readonly state = join(this.dir, 'state');
  readonly logFile = join(this.dir, 'log', 'worker.log');
  #process: ChildProcess | undefined;
  url = '';

  async start(): Promise<void> {
    mkdirSync(this.workdir, { recursive: true });
    const child = this.#spawn({ TOOLHOST_PORT: '0' }, 'inherit');
    this.#process = child;
    const lines = createInterface({ input: child.stdout as Readable });
    const [line] = await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the toolhost ended with ${code}`))),
    ]);
    this.url = `http://127.0.0.1:${JSON.parse(line).port}`;
  }

  /** Starts a second toolhost in the same directories, which should exit by itself. */
  async startAnother(env: Record<string, string>): Promise<{ code: number | null; stderr: string }> {
    const child = this.#spawn(env, 'pipe');
    const [stderr, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'exit')]);
    return { code, stderr };
  }

  #spawn(env: Record<string, string>, stderr: 'inherit' | 'pipe'): ChildProcess {
    return spawn(process.execPath, [TOOLHOST_BUNDLE], {
      env: {
        PATH: process.env.PATH,
        TOOLHOST_HOST: '127.0.0.1',
        TOOLHOST_WORKDIR: this.workdir,
        TOOLHOST_STATE: this.state,
        TOOLHOST_LOG: this.logFile,
        ...env,
      },
      stdio: ['ignore', 'pipe', stderr],
    });
  }

  get pid(): number {
    return this.#process?.pid as number;
  }

  /** Ends the process and waits for its end; its directories stay. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = once(child, 'exit');
    child.kill(signal);
    return (await gone)[0];
  }

  async remove(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.dir, { recursive: true, force: true });
  }

  async request(
    method: string,
    path: string,
    body?: string | Uint8Array | ReadableStream,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const answer = await fetch(this.url + path, {
      method,
      ...(body === undefined ? {} : { body, duplex: 'half' }),
      ...(signal ? { signal } : {}),
    } as RequestInit);
    return { status: answer.status, body: (await answer.json()) as Answer['body'] };
  }

  /** Starts a call or attaches to it, and waits at most `waitMs` for its end. */
  async put(id: string, name: string, input: unknown, timeoutMs = 20_000, waitMs = 25_000): Promise<Call> {
    const body = JSON.stringify({ name, input, timeoutMs });
    const answer = await this.request('PUT', `/calls/${id}?wait_ms=${waitMs}`, body);
    if (answer.status !== 200)
      throw new Error(`PUT answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Runs a bash call. @returns the text of its result @throws an Error with that text if it is an error */
  async bash(id: string, command: string): Promise<string> {
    const call = await this.put(id, 'bash', { command });
    if (call.result?.isError) throw new Error(textOf(call));
    return textOf(call);
  }

  async cancel(id: string): Promise<Call> {
    return (await this.request('POST', `/calls/${id}/cancel`)).body;
  }
}

export function textOf(call: Call): string {
  const [first] = call.result?.content ?? [];
  return first?.type === 'text' ? first.text : '';
}

/** Waits until a condition is true; only the time-out of the test ends a wait in vain. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Whether a process runs; a zombie does not count. */
export function isAlive(pid: string | number): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !/^State:\s+Z/m.test(readFileSync(status, 'utf8'));
}
