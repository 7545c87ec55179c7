// The tool "bash": runs commands in a shell that stays, and tells the model how each command and its shell ended.
import { MAX_RESULT_BYTES } from '../protocol.ts';
import { Shell } from './shell.ts';
import type { ShellState } from './shell-state.ts';
import { syntaxProblem } from './syntax.ts';

/** Part of a result that is reserved for notes beside the output. */
const NOTE_BYTES = 2_048;

const NOT_KEPT = 'Functions, aliases, shell options and other variables are gone.';
const SAME = 'in the same folder and with the same exported variables';
const EARLIER = 'in the folder and with the exported variables from before this command';
const FRESH = 'in the working directory, without the exported variables';

export interface BashInput {
  command?: string;
  restart?: boolean;
}

export interface BashOptions {
  workdir: string;
  env: Record<string, string>;
  state: ShellState;
}

export interface ToolOutput {
  text: string;
  isError: boolean;
}

export class BashTool {
  readonly #options: BashOptions;
  #shell: Shell | undefined;
  /** Whether the model has been told that the shell of its earlier commands has ended. */
  #isEndKnown = false;

  constructor(options: BashOptions) {
    this.#options = options;
  }

  /** Runs one command; never throws. @param signal ends the command; its reason becomes part of the result */
  async run(id: string, { command, restart }: BashInput, signal: AbortSignal): Promise<ToolOutput> {
    try {
      if (restart) this.restart();
      if (!command)
        return restart
          ? { text: 'bash session restarted', isError: false }
          : { text: 'bash: command is required', isError: true };
      const problem = await syntaxProblem(command, this.#options.state.dir);
      if (problem) return { text: problem, isError: true };
      const { shell, note } = await this.#liveShell();
      const output = await this.#runIn(shell, id, command, signal);
      return { ...output, text: joinLines(note, output.text) };
    } catch (error) {
      return { text: `bash: no shell: ${(error as Error).message}`, isError: true };
    }
  }

  /** Kills the shell and its process group; the next shell starts without its folder and variables. */
  restart(): void {
    this.close();
    this.#options.state.forget();
  }

  /** Kills the shell and its process group at once. */
  close(): void {
    this.#shell?.kill();
    this.#shell = undefined;
  }

  async #liveShell(): Promise<{ shell: Shell; note: string }> {
    if (this.#shell?.isAlive) return { shell: this.#shell, note: '' };
    const { state } = this.#options;
    const hadPredecessor = this.#shell !== undefined || state.lastCommand() !== undefined;
    const place = state.lastCommand() === undefined ? FRESH : SAME;
    this.#shell = undefined;
    this.#shell = await Shell.start({ ...this.#options, keepBytes: MAX_RESULT_BYTES - NOTE_BYTES });
    const mustTellModel = hadPredecessor && !this.#isEndKnown;
    this.#isEndKnown = false;
    const note = `[The shell of the earlier commands has ended. This is a new one, ${place}. ${NOT_KEPT}]`;
    return { shell: this.#shell, note: mustTellModel ? note : '' };
  }

  async #runIn(shell: Shell, id: string, command: string, signal: AbortSignal): Promise<ToolOutput> {
    const { output, status, shellEnd } = await shell.run(id, command, signal);
    if (status === 0) return { text: output, isError: false };
    if (status !== undefined) return { text: joinLines(output, `exit ${status}`), isError: true };
    this.#isEndKnown = true;
    this.#shell = undefined;
    const next = `the next command starts in a new one, ${this.#placeAfter(id)}. ${NOT_KEPT}`;
    if (signal.aborted) {
      const why = signal.reason instanceof Error ? signal.reason.message : 'cancelled';
      const killed = 'What it had started was killed, and its shell';
      return { text: joinLines(output, `bash: ${why}. ${killed}; ${next}`), isError: true };
    }
    const { code, signal: killedBy } = shellEnd ?? {};
    const how = killedBy ? `killed by ${killedBy}` : `exit ${code}`;
    return { text: joinLines(output, how, `[The command ended its shell; ${next}]`), isError: code !== 0 };
  }

  #placeAfter(id: string): string {
    const last = this.#options.state.lastCommand();
    if (last === undefined) return FRESH;
    return last === id ? SAME : EARLIER;
  }
}

function joinLines(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('\n');
}
