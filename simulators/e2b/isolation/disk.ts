/** The disk of a sandbox: what it has written over its base and template. Copied while nothing writes to it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IS_ROOT, removeTree } from './owner.ts';

const run = promisify(execFile);
const PARTS = ['root', 'upper'];

/** Replaces the disk in folder `to` (made if need be) by a copy of that in `from`. */
export async function copyDisk(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o711 });
  await chmod(to, 0o711);
  for (const part of [...PARTS, 'work']) await removeTree(join(to, part));
  const copy = ['cp', '-a', '--reflink=auto', ...PARTS.map((part) => join(from, part)), to];
  const [command, ...args] = IS_ROOT ? copy : ['unshare', '--user', '--map-root-user', ...copy];
  await run(command as string, args);
}

/**
 * The disks that a sandbox had at its latest two pauses, in its own folder. E2B keeps such snapshots and may
 * bring an older one back.
 */
export async function keepDisk(dir: string): Promise<void> {
  const [fresh, latest, previous] = ['fresh', 'latest', 'previous'].map((name) =>
    join(dir, 'kept', name),
  ) as [string, string, string];
  await copyDisk(dir, fresh);
  await removeTree(previous);
  if (existsSync(latest)) await rename(latest, previous);
  await rename(fresh, latest);
}

/** Folder of the disk of the latest or the previous pause, if it was kept. */
export function keptDisk(dir: string, which: 'latest' | 'previous'): string | undefined {
  const kept = join(dir, 'kept', which);
  return existsSync(kept) ? kept : undefined;
}
