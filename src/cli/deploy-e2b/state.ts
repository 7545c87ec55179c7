// What the supervisor in the sandbox says of itself.

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandExitError, type Sandbox } from 'e2b';
import { z } from 'zod';
import { startCommand } from '../../../template/build-router-template.ts';
import { HOME_FOLDER } from '../../inside-e2b/layout.ts';
import { startTicks } from '../../inside-e2b/process-start.ts';
import { LAYOUT, quote } from './router-sandbox.ts';

const text = z.string().max(2_000);
const shape = z.object({
  pid: z.int().positive(),
  startTicks: z.string().max(32).optional(),
  release: text,
  version: text,
  webhook: text,
  worker: text,
  problems: z.array(text).max(100),
});

export interface RouterState extends z.infer<typeof shape> {
  /** Whether the supervisor that wrote it still runs; if not, the rest is how things were. */
  lives: boolean;
}

/** The state of a worker that has no keys yet. */
export const NO_KEYS = 'waits for its keys';

const POLL_MS = 500;

/** @returns undefined if there is none, or it cannot be read */
export async function readState(sandbox: Sandbox): Promise<RouterState | undefined> {
  let state: z.infer<typeof shape>;
  try {
    state = shape.parse(JSON.parse(await sandbox.files.read(LAYOUT.state)));
  } catch {
    return undefined;
  }
  return { ...state, lives: await lives(sandbox, state) };
}

async function lives(
  sandbox: Sandbox,
  { pid, startTicks: written }: z.infer<typeof shape>,
): Promise<boolean> {
  try {
    const { stdout } = await sandbox.commands.run(`cat /proc/${pid}/stat`);
    const found = startTicks(stdout);
    return found !== undefined && (written === undefined || found === written);
  } catch (error) {
    if (error instanceof CommandExitError) return false;
    throw error;
  }
}

/** Starts the router where its processes have ended, as the template does. A router that runs is left alone. */
export async function startAgain(sandbox: Sandbox): Promise<void> {
  const loop = `setsid -f sh -c ${quote(startCommand(HOME_FOLDER))} < /dev/null > /dev/null 2>&1`;
  await sandbox.commands.run(loop, { cwd: HOME_FOLDER });
}

/** Waits until the state is as wanted, for at most so many milliseconds. @returns the last state, as wanted or not */
export async function untilState(
  sandbox: Sandbox,
  isWanted: (state: RouterState) => boolean,
  withinMs: number,
  signal: AbortSignal,
): Promise<RouterState | undefined> {
  const late = Date.now() + withinMs;
  for (;;) {
    const state = await readState(sandbox);
    if ((state && isWanted(state)) || Date.now() > late) return state;
    await sleep(POLL_MS, undefined, { signal });
  }
}

/**
 * Why the router does not serve; empty if it does. A file that is wrong does not keep it from serving.
 * @param state undefined if there is none
 */
export function whyNotServing(state: RouterState | undefined): string[] {
  if (!state) return ['The router has written no state: see deploy e2b logs supervisor'];
  if (!state.lives) return ["The router's processes have ended: deploy e2b starts them again"];
  const { webhook, worker } = state;
  return [
    ...(webhook === 'runs'
      ? []
      : [`The webhook server does not run; it ${webhook}: see deploy e2b logs webhook`]),
    ...(worker === 'runs' ? [] : [`The worker does not run; it ${worker}: see deploy e2b logs worker`]),
  ];
}

export function isServing(state: RouterState): boolean {
  return whyNotServing(state).length === 0;
}
