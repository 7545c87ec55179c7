/** Commands started through the API: their output goes to all listeners, their exit status is kept for a while. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { startInTerminal, type Terminal, type TerminalSize } from './pty.ts';
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

export type OutputKind = 'stdout' | 'stderr' | 'pty';

export interface Listener {
  /** Returns false if the listener does not keep up. */
  output(kind: OutputKind, chunk: Buffer): boolean;
  ended(status: ExitStatus): void;
}

const KEEP_EXIT_MS = 30_000;
/** How long to wait for output that children of a killed command, or of one in a terminal, hold open. */
const LEFT_OPEN_MS = 1_000;
/** envd's value: when memory runs out, the kernel kills commands first. */
const OOM_SCORE = '100';

/** Input and output of a command: pipes or a terminal. */
export interface CommandIo {
  outputs: Partial<Record<OutputKind, Readable>>;
  input: Writable | null;
  terminal?: Terminal;
}

export class Command {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly config: CommandConfig;
  exit: ExitStatus | undefined;
  /** Resolves when the process has exited; further output may still arrive. */
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  readonly #child: ChildProcess;
  readonly #io: CommandIo;
  readonly #listeners = new Set<Listener>();

  constructor(child: ChildProcess, io: CommandIo, config: CommandConfig, tag: string | undefined) {
    this.#child = child;
    this.#io = io;
    this.pid = child.pid as number;
    this.tag = tag;
    this.config = config;
    const outputs = Object.entries(io.outputs) as [OutputKind, Readable][];
    for (const [kind, source] of outputs)
      source.on('data', (chunk: Buffer) => this.#forward(kind, chunk, source));
    // A command may end before it has read all its input.
    io.input?.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve([child.exitCode, child.signalCode]);
      else child.once('exit', (code, signal) => resolve([code, signal]));
    });
    const closed = Promise.all(
      outputs.map(([, source]) => new Promise((resolve) => source.once('close', resolve))),
    );
    void this.exited.then(async ([code, signal]) => {
      // Children of a killed command, or in a terminal, may hold the output open for ever.
      if (signal || io.terminal) await Promise.race([closed, sleep(LEFT_OPEN_MS)]);
      else await closed;
      this.#end(code, signal);
    });
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

  /** Resumes the output after a listener has caught up. */
  resume(): void {
    for (const source of Object.values(this.#io.outputs)) source.resume();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the command can take more input. Throws `failed_precondition` if it has no such input. */
  async write(kind: 'stdin' | 'pty', data: Buffer): Promise<void> {
    const { terminal, input } = this.#io;
    if (kind === 'pty' && terminal) return terminal.write(data);
    if (kind === 'pty')
      throw new RpcError('failed_precondition', `process ${this.pid} has no pseudo-terminal`);
    if (!input?.writable)
      throw new RpcError('failed_precondition', `stdin of process ${this.pid} is not open`);
    if (!input.write(data))
      await Promise.race([once(input, 'drain'), once(input, 'close')]).catch(() => undefined);
  }

  /** Throws `failed_precondition` for a terminal: its input ends with a character (^D). */
  closeStdin(): void {
    if (this.#io.terminal)
      throw new RpcError('failed_precondition', `the input of a terminal cannot be closed: send ^D`);
    this.#io.input?.end();
  }

  /** Throws `failed_precondition` for a command without a terminal. */
  async resize(size: TerminalSize): Promise<void> {
    if (!this.#io.terminal)
      throw new RpcError('failed_precondition', `process ${this.pid} has no pseudo-terminal`);
    await this.#io.terminal.resize(size);
  }

  #forward(kind: OutputKind, chunk: Buffer, source: Readable): void {
    for (const listener of this.#listeners) if (!listener.output(kind, chunk)) source.pause();
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    this.exit = signal
      ? { exitCode: -1, exited: false, status: signalText(signal), error: signalText(signal) }
      : {
          exitCode: code ?? 0,
          exited: true,
          status: `exit status ${code ?? 0}`,
          ...(code ? { error: `exit status ${code}` } : {}),
        };
    this.#io.terminal?.close();
    for (const listener of this.#listeners) listener.ended(this.exit);
    this.#listeners.clear();
  }
}

export interface StartOptions {
  stdin: boolean;
  tag?: string;
  terminal?: TerminalSize;
}

export class Commands {
  readonly #commands = new Map<number, Command>();

  /** Throws `invalid_argument` if the command cannot be run. */
  async start(user: User, config: CommandConfig, options: StartOptions): Promise<Command> {
    const { child, io } = options.terminal
      ? await inTerminal(user, config, options.terminal)
      : await withPipes(user, config, options.stdin);
    markForMemory(child.pid as number);
    // Output starts to flow here: the caller must add its listener synchronously.
    const command = new Command(child, io, config, options.tag);
    this.#commands.set(command.pid, command);
    void command.exited.then(() => {
      setTimeout(() => {
        if (this.#commands.get(command.pid) === command) this.#commands.delete(command.pid);
      }, KEEP_EXIT_MS).unref();
    });
    return command;
  }

  /** Finds a command by process id or tag, also for a while after its end. Throws `not_found`. */
  find(selector: { pid: number | undefined; tag: string | undefined }): Command {
    const found =
      selector.pid === undefined
        ? [...this.#commands.values()].find(({ tag }) => tag !== undefined && tag === selector.tag)
        : this.#commands.get(selector.pid);
    if (found) return found;
    throw new RpcError('not_found', `process with ${JSON.stringify(selector)} not found`);
  }

  running(): Command[] {
    return [...this.#commands.values()].filter(({ exit }) => !exit);
  }
}

async function withPipes(user: User, { cmd, args, cwd, envs }: CommandConfig, stdin: boolean) {
  const child = spawnAs(user, cmd, args, {
    cwd,
    env: envs,
    detached: true,
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new RpcError('invalid_argument', error.message)));
  });
  const { stdout, stderr } = child;
  return {
    child,
    io: { outputs: { stdout: stdout as Readable, stderr: stderr as Readable }, input: child.stdin },
  };
}

async function inTerminal(user: User, { cmd, args, cwd, envs }: CommandConfig, size: TerminalSize) {
  const { child, terminal } = await startInTerminal(user, [cmd, ...args], { cwd, env: envs }, size);
  return { child, io: { outputs: { pty: terminal.output }, input: null, terminal } };
}

function markForMemory(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
  } catch {
    // The process has ended already.
  }
}

/** Go's text for a signal, such as "signal: killed". */
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
