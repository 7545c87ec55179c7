// What a shell hands on to its successor: its folder and its exported variables, in a file that it writes itself after
// each command and when it exits. Functions, aliases, options and other variables are not kept.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MARKS } from '../processes.ts';

const COMPLETE = '# complete ';
/** Room for the last line: an id has at most 200 characters. */
const TAIL_BYTES = 256;

export class ShellState {
  /** Of the session, for this and its other files. */
  readonly dir: string;
  readonly #file: string;

  /** @param stateDir of the toolhost */
  constructor(stateDir: string, session: string, thread: string) {
    this.dir = sessionDir(stateDir, session);
    this.#file = join(this.dir, `${hashOf(thread)}.sh`);
  }

  /** The id of the last command whose end it shows; undefined if there is no complete state. */
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

  forget(): void {
    rmSync(this.#file, { force: true });
  }

  /** Makes the place for the file, and gives what a new shell runs first. @param output where it tells the model */
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

  /** What the shell runs after a command. */
  get saveScript(): string {
    return '__toolhost_save';
  }
}

/** Forgets the shells of a session. */
export function forgetShells(stateDir: string, session: string): void {
  rmSync(sessionDir(stateDir, session), { recursive: true, force: true });
}

/** A text as one word of bash. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function sessionDir(stateDir: string, session: string): string {
  return join(stateDir, 'shells', hashOf(session));
}

/** An id may be a name that no file can have. */
function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 32);
}
