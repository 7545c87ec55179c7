// What the supervisor in the sandbox says of itself.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from 'e2b';
import { z } from 'zod';
import { LAYOUT } from './router-sandbox.ts';

const text = z.string().max(2_000);
const shape = z.object({
  pid: z.int(),
  release: text,
  version: text,
  webhook: text,
  worker: text,
  problems: z.array(text).max(100),
});

export type RouterState = z.infer<typeof shape>;

const POLL_MS = 500;

/** @returns undefined if there is none, or it cannot be read */
export async function readState(sandbox: Sandbox): Promise<RouterState | undefined> {
  try {
    return shape.parse(JSON.parse(await sandbox.files.read(LAYOUT.state)));
  } catch {
    return undefined;
  }
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

export function isServing({ worker, problems }: RouterState): boolean {
  return worker === 'runs' && problems.length === 0;
}
