// Keeps one set of tools, with a shell of its own, for each thread of each session.
import { MARKS } from './processes.ts';
import { BashTool } from './shell/bash-tool.ts';
import { forgetShells, ShellState } from './shell/shell-state.ts';
import { createToolbox, type Root, type Toolbox } from './toolbox.ts';

export class Toolboxes {
  readonly #workdir: string;
  readonly #stateDir: string;
  readonly #roots: () => Root[];
  /** Toolboxes by session, then by thread. */
  readonly #toolboxes = new Map<string, Map<string, Toolbox>>();

  constructor(workdir: string, stateDir: string, roots: () => Root[]) {
    this.#workdir = workdir;
    this.#stateDir = stateDir;
    this.#roots = roots;
  }

  /** The tools of a thread, created at its first call; session and thread are empty if the call does not name them. */
  of(session: string, thread: string): Toolbox {
    const threads = this.#toolboxes.get(session) ?? new Map<string, Toolbox>();
    this.#toolboxes.set(session, threads);
    const toolbox = threads.get(thread) ?? this.#create(session, thread);
    threads.set(thread, toolbox);
    return toolbox;
  }

  /** Kills the shells of a session and forgets them. */
  endSession(session: string): void {
    for (const toolbox of this.#toolboxes.get(session)?.values() ?? []) toolbox.close();
    this.#toolboxes.delete(session);
    forgetShells(this.#stateDir, session);
  }

  /** Kills all shells. */
  close(): void {
    for (const threads of this.#toolboxes.values()) for (const toolbox of threads.values()) toolbox.close();
  }

  #create(session: string, thread: string): Toolbox {
    const env = {
      ...shellEnvironment(),
      ...(session ? { [MARKS.session]: session } : {}),
      ...(thread ? { [MARKS.thread]: thread } : {}),
    };
    const state = new ShellState(this.#stateDir, session, thread);
    const bash = new BashTool({ workdir: this.#workdir, env, state });
    return createToolbox(this.#workdir, this.#roots, bash);
  }
}

/** The environment of the toolhost, with the mark of this boot, without variables that could hold a key. */
function shellEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith('ANTHROPIC_'));
  return Object.fromEntries(kept) as Record<string, string>;
}
