// A bash process that runs one command after another, so that folder, variables and functions stay. It gets each command
// as a quoted argument of `eval`, so that no command can end early and smuggle in another. The output goes to a pipe,
// followed by a mark. The mark is random and new for each command, so that a program cannot forge it by chance.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { write } from 'node:fs';
import { killStartedBy, MARKS, ticksNow } from '../processes.ts';
import { CommandOutput } from './command-output.ts';
import { withLongText } from './long-text.ts';
import { closeWriter, createOutputPipe, type OutputPipe } from './output-pipe.ts';
import { quoted, type ShellState } from './shell-state.ts';

/** File descriptor of the shell's own copy of its output; the programs that it starts do not inherit it. */
const OUTPUT_FD = 252;

export interface CommandEnd {
  output: string;
  /** Exit status of the command; absent if the shell ended first. */
  status?: number;
  /** How the shell ended; absent if it still runs. */
  shellEnd?: { code: number | null; signal: NodeJS.Signals | null };
}

export interface ShellOptions {
  workdir: string;
  /** Environment with the marks of boot, session and thread (processes.ts). */
  env: Record<string, string>;
  state: ShellState;
  /** Maximum number of bytes of a command's output that are kept. */
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

  /** Starts a shell in the folder and with the exported variables of its predecessor. @throws Error if it cannot start */
  static async start(options: ShellOptions): Promise<Shell> {
    const begin = options.state.start(OUTPUT_FD);
    const pipe = await createOutputPipe(options.state.dir);
    // A process group of its own, so that a restart can kill the whole group.
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
    // Output between commands, and of processes that outlive the shell, is read and dropped, so that no writer blocks.
    pipe.reader.on('data', (chunk: Buffer) => this.#running?.output.add(chunk));
    pipe.reader.on('error', () => {});
    child.stdin?.on('error', () => {});
    child.on('error', () => {});
    child.once('exit', () => this.#onExit());
    const { env } = options;
    const marks = Object.values(MARKS).filter((name) => env[name] !== undefined);
    this.#send(`exec ${OUTPUT_FD}>&3 3>&-`);
    this.#send(begin);
    // The restored variables may contain the marks of an earlier boot.
    for (const name of marks) this.#send(`builtin export ${name}=${quoted(env[name] as string)}`);
  }

  /** Whether the shell still runs. */
  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Runs a command to its end. An abort kills the command, the processes that it started, and the shell, because a
   * shell cannot be made to stop a command.
   */
  run(id: string, command: string, signal: AbortSignal): Promise<CommandEnd> {
    return withLongText(this.#options.state.dir, command, (file) =>
      this.#eval(id, file ? `"$(<${quoted(file)})"` : quoted(command), signal),
    );
  }

  /** @param word a word of bash that expands to the command */
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

  /** Kills the shell and its process group at once. */
  kill(): void {
    try {
      process.kill(-(this.#child.pid as number), 'SIGKILL');
    } catch {
      // The process group has ended already.
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
    // A mark written now arrives after everything that the shell has written.
    write(this.#pipe.writer, `\0${run.mark} 000`, (error) => {
      closeWriter(this.#pipe);
      if (error) run.finish();
    });
  }

  #send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }
}
