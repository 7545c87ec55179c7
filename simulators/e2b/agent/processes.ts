/** The commands started through the API: their output goes to whoever listens, their exit is kept for a while. */
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { RpcError } from './rpc-error.ts';
import { spawnAs, type User } from './users.ts';

export interface CommandConfig {
  cmd: string;
  args: string[];
  envs: Record<string, string>;
  cwd: string;
}

export interface ExitStatus {
  exitCode: number;
  exited: boolean;
  status: string;
  error?: string;
}

export interface Listener {
  /** Returns false while the listener does not keep up. */
  output(kind: 'stdout' | 'stderr', chunk: Buffer): boolean;
  ended(status: ExitStatus): void;
}

const KEEP_EXIT_MS = 30_000;
/** How long a killed command's output may stay open because of children that it left behind. */
const KILLED_OUTPUT_MS = 1_000;

export class Command {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly config: CommandConfig;
  exit: ExitStatus | undefined;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<Listener>();

  constructor(child: ChildProcess, config: CommandConfig, tag: string | undefined) {
    this.#child = child;
    this.pid = child.pid as number;
    this.tag = tag;
    this.config = config;
    child.stdout?.on('data', (chunk: Buffer) => this.#forward('stdout', chunk, child.stdout as Readable));
    child.stderr?.on('data', (chunk: Buffer) => this.#forward('stderr', chunk, child.stderr as Readable));
    // A command that ends before it has read all its input is no error of ours.
    child.stdin?.on('error', () => undefined);
    child.on('exit', (code, signal) => {
      if (signal) setTimeout(() => this.#end(code, signal), KILLED_OUTPUT_MS);
    });
    child.on('close', (code, signal) => this.#end(code, signal));
  }

  listen(listener: Listener): () => void {
    if (this.exit) {
      listener.ended(this.exit);
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.resume();
    };
  }

  /** Lets output flow again after a listener was behind. */
  resume(): void {
    this.#child.stdout?.resume();
    this.#child.stderr?.resume();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  write(data: Buffer): void {
    if (!this.#child.stdin)
      throw new RpcError('failed_precondition', `stdin of process ${this.pid} is not open`);
    this.#child.stdin.write(data);
  }

  closeStdin(): void {
    this.#child.stdin?.end();
  }

  #forward(kind: 'stdout' | 'stderr', chunk: Buffer, source: Readable): void {
    for (const listener of this.#listeners) if (!listener.output(kind, chunk)) source.pause();
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.exit) return;
    this.exit = signal
      ? { exitCode: -1, exited: false, status: signalText(signal), error: signalText(signal) }
      : {
          exitCode: code ?? 0,
          exited: true,
          status: `exit status ${code ?? 0}`,
          ...(code ? { error: `exit status ${code}` } : {}),
        };
    for (const listener of this.#listeners) listener.ended(this.exit);
    this.#listeners.clear();
  }
}

export class Commands {
  readonly #commands = new Map<number, Command>();

  /** Starts a command; throws `invalid_argument` if it cannot be run. */
  async start(
    user: User,
    config: CommandConfig,
    options: { stdin: boolean; tag?: string },
  ): Promise<Command> {
    const child = spawnAs(user, config.cmd, config.args, {
      cwd: config.cwd,
      env: config.envs,
      detached: true,
      stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new RpcError('invalid_argument', error.message)));
    });
    const command = new Command(child, config, options.tag);
    this.#commands.set(command.pid, command);
    child.once('exit', () => {
      setTimeout(() => {
        if (this.#commands.get(command.pid) === command) this.#commands.delete(command.pid);
      }, KEEP_EXIT_MS).unref();
    });
    return command;
  }

  /** By process id or tag, ended ones included for a while; throws `not_found`. */
  find(selector: { pid?: number; tag?: string }): Command {
    const found =
      selector.pid === undefined
        ? [...this.#commands.values()].find(({ tag }) => tag !== undefined && tag === selector.tag)
        : this.#commands.get(Number(selector.pid));
    if (found) return found;
    throw new RpcError('not_found', `process with ${JSON.stringify(selector)} not found`);
  }

  running(): Command[] {
    return [...this.#commands.values()].filter(({ exit }) => !exit);
  }
}

/** As Go names signals: "signal: killed". */
function signalText(signal: NodeJS.Signals): string {
  const words: Partial<Record<NodeJS.Signals, string>> = {
    SIGKILL: 'killed',
    SIGTERM: 'terminated',
    SIGINT: 'interrupt',
    SIGHUP: 'hangup',
    SIGSEGV: 'segmentation fault',
    SIGABRT: 'aborted',
    SIGPIPE: 'broken pipe',
  };
  return `signal: ${words[signal] ?? `signal ${constants.signals[signal]}`}`;
}
