/** The life cycle of an isolated environment: boot, freeze, thaw, kill, remove. Its state is plain JSON. */
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

/** Names of the control groups of a box, before they are created: recorded first, they can be removed after a crash. */
export function planBox(dir: string, host: CgroupHost): SandboxGroups {
  return planGroups(host, `e2b-${basename(dir)}`);
}

/** Boots in a folder, for the first time or again. On an IsolationError no process is left running. */
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

/** Freezes all processes; their memory stays. */
export async function freezeBox(box: Box): Promise<void> {
  if (box.groups.freezer === 'signals') return signalFrozen(box.process, true);
  await setFrozen(box.groups, true);
}

export async function thawBox(box: Box): Promise<void> {
  if (box.groups.freezer === 'signals') return signalFrozen(box.process, false);
  await setFrozen(box.groups, false);
}

export function isBoxAlive(box: Box): boolean {
  return isAlive(box.process);
}

/** Kills all processes; the folder and the groups stay for another boot. */
export async function stopBox(box: Box): Promise<void> {
  await killGroups(box.groups);
  await killProcess(box.process);
}

/** Removes all traces of a box, or of an interrupted boot, from the host. Moves its folder to `keepAt` if given. */
export async function removeBox(
  dir: string,
  groups: SandboxGroups,
  box: Box | undefined,
  keepAt?: string,
): Promise<void> {
  const first = box?.process ?? (await unrecordedProcess(dir));
  await killGroups(groups);
  if (first) await killProcess(first);
  await removeGroups(groups);
  if (keepAt === undefined) return removeTree(dir);
  await rename(dir, keepAt).catch((error: NodeJS.ErrnoException) => {
    // An interrupted removal has moved the folder already.
    if (error.code !== 'ENOENT') throw error;
  });
}

/** The first process of a boot that was interrupted before it was recorded: its `/run/e2b` is this folder. */
async function unrecordedProcess(dir: string): Promise<SandboxProcess | undefined> {
  try {
    const pid = Number(await readFile(join(dir, 'pid'), 'utf8'));
    const [inside, outside] = await Promise.all([stat(`/proc/${pid}/root/run/e2b`), stat(join(dir, 'run'))]);
    if (inside.ino === outside.ino && inside.dev === outside.dev) return await identify(pid);
  } catch {
    // The boot has not reached this point, or its process has ended.
  }
  return undefined;
}

/** Socket of the agent of a box. */
export function agentSocket(dir: string): string {
  return join(dir, 'run/agent.sock');
}
