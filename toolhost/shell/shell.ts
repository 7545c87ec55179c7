// A bash process that runs one command after the other, so that its folder, variables and functions stay. It reads
// commands as quoted arguments of `eval`, which nothing in them can end early. What they write goes to a pipe, and so
// does the mark that follows: drawn anew for each command, so what forges it must first look into its own shell.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { write } from 'node:fs';
import { killStartedBy, MARKS, ticksNow } from '../processes.ts';
import { CommandOutput } from './command-output.ts';
import { withLongText } from './long-text.ts';
import { closeWriter, createOutputPipe, type OutputPipe } from './output-pipe.ts';
import { quoted, type ShellState } from './shell-state.ts';

/** The shell's own copy of its output, closed for everything that it starts. */
const OUTPUT_FD = 252;

export interface CommandEnd {
  output: string;
  /** Of the command; absent if the shell ended before it. */
  status?: number;
  /** How the shell ended, if it did. */
  shellEnd?: { code: number | null; signal: NodeJS.Signals | null };
}

export interface ShellOptions {
  workdir: string;
  /** With the marks of its session. */
  env: Record<string, string>;
  state: ShellState;
  /** Most bytes of a command's output that are kept. */
  keepBytes: number;
}

interface Running {
  mark: string;
  output: CommandOutput;
  shellEnded: boolean;
  finish: () => void;
}

export class Shell {
  readonly #child: ChildProcess;
  readonly #pipe: OutputPipe;
  readonly #options: ShellOptions;
  #running: Running | undefined;

  /** Starts a shell, with folder and exported variables as its predecessor left them, if there was one. */
  static async start(options: ShellOptions): Promise<Shell> {
    const begin = options.state.start(OUTPUT_FD);
    const pipe = await createOutputPipe(options.state.dir);
    // With a process group of its own, which ends with it at a restart.
    const child = spawn('/bin/bash', ['--noprofile', '--norc'], {
      cwd: options.workdir,
      env: { ...options.env, PS1: '', PS2: '', TERM: 'dumb' },
      stdio: ['pipe', 'ignore', 'ignore', pipe.writer],
      detached: true,
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      closeWriter(pipe);
      pipe.reader.destroy();
      throw error;
    }
    return new Shell(child, pipe, options, begin);
  }

  private constructor(child: ChildProcess, pipe: OutputPipe, options: ShellOptions, begin: string) {
    this.#child = child;
    this.#pipe = pipe;
    this.#options = options;
    // Output between commands, and of what outlives the shell, is read and dropped: its writers must not stop.
    pipe.reader.on('data', (chunk: Buffer) => this.#running?.output.add(chunk));
    pipe.reader.on('error', () => {});
    child.stdin?.on('error', () => {});
    child.on('error', () => {});
    child.once('exit', () => this.#onExit());
    const { env } = options;
    const marks = Object.values(MARKS).filter((name) => env[name] !== undefined);
    this.#send(`exec ${OUTPUT_FD}>&3 3>&-`);
    this.#send(begin);
    // What was restored may be of an earlier boot.
    for (const name of marks) this.#send(`builtin export ${name}=${quoted(env[name] as string)}`);
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Runs a command to its end. An abort kills it, what it started, and the shell, which cannot be made to stop it. */
  run(id: string, command: string, signal: AbortSignal): Promise<CommandEnd> {
    return withLongText(this.#options.state.dir, command, (file) =>
      this.#eval(id, file ? `"$(<${quoted(file)})"` : quoted(command), signal),
    );
  }

  /** @param word of bash, which holds the command */
  async #eval(id: string, word: string, signal: AbortSignal): Promise<CommandEnd> {
    const since = ticksNow();
    const onAbort = () => {
      this.#child.kill('SIGKILL');
      killStartedBy(id, this.#child.pid as number, since);
    };
    const running = await new Promise<Running>((resolve) => {
      const mark = randomUUID();
      const finish = () => resolve(run);
      const output = new CommandOutput(`\0${mark} `, this.#options.keepBytes, finish);
      const run: Running = { mark, output, shellEnded: false, finish };
      this.#running = run;
      this.#send(
        [
          `builtin export ${MARKS.call}=${quoted(id)}`,
          `builtin eval ${word} </dev/null >&${OUTPUT_FD} 2>&1 ${OUTPUT_FD}>&-`,
          `builtin printf '\\0%s %03d' ${mark} $? >&${OUTPUT_FD}`,
          this.#options.state.saveScript,
        ].join('; '),
      );
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    });
    signal.removeEventListener('abort', onAbort);
    this.#running = undefined;
    const output = running.output.text();
    if (!running.shellEnded) return { output, status: running.output.status as number };
    return { output, shellEnd: { code: this.#child.exitCode, signal: this.#child.signalCode } };
  }

  /** Kills the shell and all that runs in its process group, at once. */
  kill(): void {
    try {
      process.kill(-(this.#child.pid as number), 'SIGKILL');
    } catch {
      // It has ended, and nothing of it is left.
    }
    this.#child.stdin?.destroy();
  }

  #onExit(): void {
    const run = this.#running;
    if (!run || run.output.status !== undefined) {
      closeWriter(this.#pipe);
      return;
    }
    run.shellEnded = true;
    // All that the shell wrote comes before a mark that is written now.
    write(this.#pipe.writer, `\0${run.mark} 000`, (error) => {
      closeWriter(this.#pipe);
      if (error) run.finish();
    });
  }

  #send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }
}
