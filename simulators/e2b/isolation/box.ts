/** One isolated environment over its whole life: boot, freeze, thaw, kill, remove. Keeps nothing but plain JSON. */
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type BootImage, bootSandbox } from './boot.ts';
import {
  type CgroupHost,
  killGroups,
  type Limits,
  makeGroups,
  planGroups,
  removeGroups,
  type SandboxGroups,
  setFrozen,
} from './cgroups.ts';
import { removeTree } from './owner.ts';
import { identify, isAlive, killProcess, type SandboxProcess, signalFrozen } from './sandbox-process.ts';

export interface Box {
  dir: string;
  groups: SandboxGroups;
  process: SandboxProcess;
}

/** What is on the host for a box of this folder, known before anything is made. */
export function planBox(dir: string, host: CgroupHost): SandboxGroups {
  return planGroups(host, `e2b-${basename(dir)}`);
}

/** Boots, for the first time or again, on a folder. Throws an IsolationError; nothing runs then. */
export async function startBox(
  dir: string,
  image: BootImage,
  groups: SandboxGroups,
  limits: Limits,
): Promise<Box> {
  await mkdir(dir, { recursive: true, mode: 0o711 });
  await makeGroups(groups, limits);
  try {
    return { dir, groups, process: await bootSandbox(dir, image, groups) };
  } catch (error) {
    await killGroups(groups);
    throw error;
  }
}

/** Freezes all processes with their memory. */
export async function freezeBox(box: Box): Promise<void> {
  if (box.groups.freezer === 'signals') return signalFrozen(box.process, true);
  await setFrozen(box.groups, true);
}

/** Lets frozen processes go on. */
export async function thawBox(box: Box): Promise<void> {
  if (box.groups.freezer === 'signals') return signalFrozen(box.process, false);
  await setFrozen(box.groups, false);
}

export function isBoxAlive(box: Box): boolean {
  return isAlive(box.process);
}

/** Ends all processes; the folder and the groups stay, for another boot. */
export async function stopBox(box: Box): Promise<void> {
  await killGroups(box.groups);
  await killProcess(box.process);
}

/** Removes what a box, or a boot that was cut off, left on the host; its folder is moved to `keepAt` if that is given. */
export async function removeBox(
  dir: string,
  groups: SandboxGroups,
  box: Box | undefined,
  keepAt?: string,
): Promise<void> {
  const first = box?.process ?? (await strayProcess(dir));
  await killGroups(groups);
  if (first) await killProcess(first);
  await removeGroups(groups);
  if (keepAt === undefined) return removeTree(dir);
  await rename(dir, keepAt).catch((error: NodeJS.ErrnoException) => {
    // Moved already by a removal that was cut off.
    if (error.code !== 'ENOENT') throw error;
  });
}

/** The first process of a boot that nobody recorded: the one that has this folder as its `/run/e2b`. */
async function strayProcess(dir: string): Promise<SandboxProcess | undefined> {
  try {
    const pid = Number(await readFile(join(dir, 'pid'), 'utf8'));
    const [inside, outside] = await Promise.all([stat(`/proc/${pid}/root/run/e2b`), stat(join(dir, 'run'))]);
    if (inside.ino === outside.ino && inside.dev === outside.dev) return await identify(pid);
  } catch {
    // It never got so far, or is gone.
  }
  return undefined;
}

/** Where the agent of a box listens. */
export function agentSocket(dir: string): string {
  return join(dir, 'run/agent.sock');
}
