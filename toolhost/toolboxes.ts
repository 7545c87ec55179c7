// One set of tools for each session that works here: each has its own shell, with its own directory and variables.
import { AsyncLocalStorage } from 'node:async_hooks';
import { SESSION_VARIABLE } from './leftovers.ts';
import { createToolbox, type Root, type Toolbox } from './toolbox.ts';

export class Toolboxes {
  readonly #workdir: string;
  readonly #roots: () => Root[];
  readonly #toolboxes = new Map<string, Toolbox>();
  /** Whose tools are at work: an error that surfaces outside of any call still belongs to one of them. */
  readonly #atWork = new AsyncLocalStorage<Toolbox>();

  constructor(workdir: string, roots: () => Root[]) {
    this.#workdir = workdir;
    this.#roots = roots;
  }

  /** @param session empty where nobody names one */
  of(session: string): Toolbox {
    const toolbox =
      this.#toolboxes.get(session) ??
      createToolbox(this.#workdir, this.#roots, session ? { [SESSION_VARIABLE]: session } : {});
    this.#toolboxes.set(session, toolbox);
    return {
      ...toolbox,
      run: (...args) => this.#atWork.run(toolbox, () => toolbox.run(...args)),
    };
  }

  /** Says that a shell could not start, or was gone when a command came: fails the command that waits for it. */
  shellFailed(error: Error): void {
    this.#atWork.getStore()?.shellFailed(error);
  }

  close(): void {
    for (const toolbox of this.#toolboxes.values()) toolbox.close();
  }
}
