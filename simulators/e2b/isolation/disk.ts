/** The disk of a sandbox: its changes to base and template. Copy it only while no process writes to it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IS_ROOT, removeTree } from './owner.ts';

const run = promisify(execFile);
const PARTS = ['root', 'upper'];

/** Replaces the disk in the folder `to` (created if missing) by a copy of the disk in `from`. */
export async function copyDisk(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o711 });
  await chmod(to, 0o711);
  for (const part of [...PARTS, 'work']) await removeTree(join(to, part));
  const copy = ['cp', '-a', '--reflink=auto', ...PARTS.map((part) => join(from, part)), to];
  const [command, ...args] = IS_ROOT ? copy : ['unshare', '--user', '--map-root-user', ...copy];
  await run(command as string, args);
}

/**
 * Keeps a copy of the disk in the sandbox's folder, one for each of the latest two pauses. E2B keeps such snapshots,
 * and may restore an older one.
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

/** Folder with the disk of the latest or the previous pause, if kept. */
export function keptDisk(dir: string, which: 'latest' | 'previous'): string | undefined {
  const kept = join(dir, 'kept', which);
  return existsSync(kept) ? kept : undefined;
}
