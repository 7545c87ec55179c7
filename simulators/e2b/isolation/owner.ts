/**
 * The host user that owns the sandboxes: the user that runs the simulator, or, if that is root, a user without any
 * rights, so that root inside a sandbox has no rights outside.
 */

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const FIRST_UID = 100_000;

export const IS_ROOT = process.geteuid?.() === 0;

export const OWNER = IS_ROOT
  ? { uid: FIRST_UID, gid: FIRST_UID }
  : { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** User and group ids of a sandbox, as lines of `/proc/PID/{uid,gid}_map`. */
export const ID_MAPS = IS_ROOT
  ? { uid: `0 ${FIRST_UID} 65536`, gid: `0 ${FIRST_UID} 65536` }
  : { uid: `0 ${OWNER.uid} 1`, gid: `0 ${OWNER.gid} 1` };

/** Command prefix that runs a command with the owner's rights. */
export function asOwner(): string[] {
  return IS_ROOT
    ? ['setpriv', `--reuid=${OWNER.uid}`, `--regid=${OWNER.gid}`, '--clear-groups', '--']
    : ['env'];
}

/** Removes a folder of a sandbox. Without root it needs a user namespace: the owner cannot read overlay work folders. */
export async function removeTree(dir: string): Promise<void> {
  if (IS_ROOT) return rm(dir, { recursive: true, force: true, maxRetries: 3 });
  await promisify(execFile)('unshare', ['--user', '--map-root-user', 'rm', '-rf', dir]);
}
