/**
 * The host user that owns the sandboxes. Under root it is a user without any rights, so that root inside a
 * sandbox is nobody outside; otherwise it is the user that runs the simulator.
 */

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const FIRST_UID = 100_000;

export const IS_ROOT = process.geteuid?.() === 0;

export const OWNER = IS_ROOT
  ? { uid: FIRST_UID, gid: FIRST_UID }
  : { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** The user and group ids that a sandbox has, as the lines of `/proc/PID/{uid,gid}_map`. */
export const ID_MAPS = IS_ROOT
  ? { uid: `0 ${FIRST_UID} 65536`, gid: `0 ${FIRST_UID} 65536` }
  : { uid: `0 ${OWNER.uid} 1`, gid: `0 ${OWNER.gid} 1` };

/** Words to put before a command that is to run with the owner's rights. */
export function asOwner(): string[] {
  return IS_ROOT
    ? ['setpriv', `--reuid=${OWNER.uid}`, `--regid=${OWNER.gid}`, '--clear-groups', '--']
    : ['env'];
}

/** Removes a folder of a sandbox; its work folders are closed even to their owner, but not to a mapped root. */
export async function removeTree(dir: string): Promise<void> {
  if (IS_ROOT) return rm(dir, { recursive: true, force: true, maxRetries: 3 });
  await promisify(execFile)('unshare', ['--user', '--map-root-user', 'rm', '-rf', dir]);
}
