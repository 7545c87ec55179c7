// The webhook server or the worker as a process of its own, started again whenever it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Logger } from '../log.ts';
import type { BoundedLog } from './bounded-log.ts';

export interface ChildOptions {
  role: 'webhook' | 'worker';
  /** The program and its arguments before the role. */
  program: readonly [string, ...string[]];
  cwd: string;
  /** All variables of the process. */
  env: Record<string, string>;
  output: BoundedLog;
  log: Logger;
}

/** A worker hands its running calls over within this time. */
const STOP_WITHIN_MS = 45_000;
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
/** A process that ran for this long was not broken from the start. */
const HEALTHY_AFTER_MS = 60_000;

export class Child {
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #stopping = false;
  #pauseMs = MIN_PAUSE_MS;
  #restart: NodeJS.Timeout | undefined;
  #lastExit: string | undefined;
  #ready = false;
  #startedAt = 0;
  #endings = 0;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#start();
  }

  get state(): 'starts' | 'runs' | 'ended' {
    if (!this.#process) return 'ended';
    return this.#ready ? 'runs' : 'starts';
  }

  get role(): ChildOptions['role'] {
    return this.#options.role;
  }

  /** How often in a row it has ended by itself soon after a start; 0 again when it has run for a minute. */
  get endings(): number {
    return this.#process && this.#isHealthy() ? 0 : this.#endings;
  }

  /** How it last ended by itself; undefined if it has not. */
  get lastExit(): string | undefined {
    return this.#lastExit;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (!child) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(late);
  }

  #start(): void {
    const { role, program, cwd, env, output, log } = this.#options;
    const [command, ...args] = program;
    this.#startedAt = performance.now();
    // Its end of the channel closes when we die in any way, and then it ends, too.
    const child = spawn(command, [...args, role], { cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#process = child;
    this.#ready = false;
    child.stdout?.on('data', (chunk: Buffer) => {
      // It prints its first line when it is ready.
      this.#ready = true;
      output.write(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => output.write(chunk));
    child.once('error', (error) => output.write(`${role} cannot be started: ${error.message}\n`));
    child.once('close', (code, signal) => {
      this.#process = undefined;
      if (this.#stopping) return;
      this.#lastExit = signal ?? `code ${code}`;
      if (this.#isHealthy()) {
        this.#pauseMs = MIN_PAUSE_MS;
        this.#endings = 0;
      }
      this.#endings += 1;
      log.error(
        { part: role, reason: this.#lastExit, ms: this.#pauseMs },
        'a process has ended; it is started again',
      );
      this.#restart = setTimeout(() => this.#start(), this.#pauseMs);
      this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
    });
  }

  #isHealthy(): boolean {
    return performance.now() - this.#startedAt > HEALTHY_AFTER_MS;
  }
}
