// The state that a shell passes on to its successor: its folder and exported variables. The shell itself writes them to a
// file after each command and when it exits. Functions, aliases, options and other variables are not kept.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MARKS } from '../processes.ts';

const COMPLETE = '# complete ';
/** Enough for the last line: a call id has at most 200 characters. */
const TAIL_BYTES = 256;

export class ShellState {
  /** Directory for the files of the session's shells. */
  readonly dir: string;
  readonly #file: string;

  /** @param stateDir state directory of the toolhost */
  constructor(stateDir: string, session: string, thread: string) {
    this.dir = sessionDir(stateDir, session);
    this.#file = join(this.dir, `${hashOf(thread)}.sh`);
  }

  /** The id of the command after which the state was saved; undefined if no complete state was saved. */
  lastCommand(): string | undefined {
    try {
      const fd = openSync(this.#file, 'r');
      try {
        const tail = Buffer.alloc(TAIL_BYTES);
        const read = readSync(fd, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(fd).size - TAIL_BYTES));
        const last = tail.toString('utf8', 0, read).split('\n').at(-2) ?? '';
        return last.startsWith(COMPLETE) ? last.slice(COMPLETE.length) : undefined;
      } finally {
        closeSync(fd);
      }
    } catch {
      return undefined;
    }
  }

  /** Removes the saved state. */
  forget(): void {
    rmSync(this.#file, { force: true });
  }

  /**
   * The commands that a new shell runs first: they restore the state and arrange for saving it.
   * @param output file descriptor for a note to the model that the folder no longer exists
   */
  start(output: number): string {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const isComplete = this.lastCommand() !== undefined;
    if (!isComplete) writeFileSync(this.#file, '', { mode: 0o600 });
    const file = quoted(this.#file);
    const lost = '[The folder %%s no longer exists: this shell began in %%s.]\\n';
    const folder = `builtin cd -- %q 2>/dev/null || builtin printf ${quoted(lost)} %q "$PWD" >&${output}\\n`;
    return [
      `builtin source ${file}`,
      `__toolhost_save() { { builtin printf ${quoted(folder)} "$PWD" "$PWD"; builtin declare -px; ` +
        `builtin printf '${COMPLETE}%s\\n' "$${MARKS.call}"; } >| ${file}; }`,
      'builtin trap __toolhost_save EXIT',
    ].join('\n');
  }

  /** The command that the shell runs after each command of the model. */
  get saveScript(): string {
    return '__toolhost_save';
  }
}

/** Removes the saved states of a session's shells. */
export function forgetShells(stateDir: string, session: string): void {
  rmSync(sessionDir(stateDir, session), { recursive: true, force: true });
}

/** Quotes a text as one word for bash. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function sessionDir(stateDir: string, session: string): string {
  return join(stateDir, 'shells', hashOf(session));
}

/** A file name for an id, which may contain characters that file names cannot have. */
function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 32);
}
