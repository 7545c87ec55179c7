// What every command of the command line shares: its context, its errors, the exit codes.
import type { Environment } from '../config.ts';
import type { Output } from './output.ts';

/** What the process ends with. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** Wrong command line or configuration. */
  usage: 2,
  /** No such session, environment or sandbox. */
  notFound: 3,
  /** The state does not allow it. */
  refused: 4,
  /** A service cannot be reached, or refuses the credential. */
  unreachable: 5,
  interrupted: 130,
} as const;

/** What a command needs to know of the whole command line. */
export interface CommandContext {
  /** Variables and `.env`, with the file that `--config` names. */
  environment(): Environment;
  /** Where the command prints; `--json` decides how. */
  output(): Output;
  /** Sets the exit code of a command that ends without an error. */
  end(code: number): void;
}

/** A failure that the person who ran the command can understand: its message is all that is printed. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number;

  /** @param message what happened, to which id, and what to do about it */
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
