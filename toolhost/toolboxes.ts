// One set of tools for each thread of each session that works here: each has its own shell.
import { MARKS } from './processes.ts';
import { BashTool } from './shell/bash-tool.ts';
import { forgetShells, ShellState } from './shell/shell-state.ts';
import { createToolbox, type Root, type Toolbox } from './toolbox.ts';

export class Toolboxes {
  readonly #workdir: string;
  readonly #stateDir: string;
  readonly #roots: () => Root[];
  /** By session, then by thread. */
  readonly #toolboxes = new Map<string, Map<string, Toolbox>>();

  constructor(workdir: string, stateDir: string, roots: () => Root[]) {
    this.#workdir = workdir;
    this.#stateDir = stateDir;
    this.#roots = roots;
  }

  /** Session and thread are empty where they are not named. */
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

/** Without what a key may be named by; with the mark of this boot. */
function shellEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith('ANTHROPIC_'));
  return Object.fromEntries(kept) as Record<string, string>;
}
