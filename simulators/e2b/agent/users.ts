/** The users of the sandbox, and running programs as one of them. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { RpcError } from './rpc-error.ts';

export interface User {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** The sandbox has one user id if the simulator does not run as root; other users are nested user namespaces then. */
const SINGLE_ID = Number(readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2]) === 1;

/** Like envd, throws `unauthenticated` for a user that is not in `/etc/passwd`. */
export function findUser(name: string): User {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [login, , uid, gid, , home] = line.split(':');
    if (login && login === name) return { name, uid: Number(uid), gid: Number(gid), home: home || '/' };
  }
  throw new RpcError('unauthenticated', `invalid username: '${name}'`);
}

/** Resolves `~` and relative paths against the user's home. */
export function resolvePath(path: string, user: User): string {
  return resolve(user.home, path.replace(/^~(?=\/|$)/, user.home));
}

export function spawnAs(user: User, command: string, args: string[], options: SpawnOptions): ChildProcess {
  if (user.uid === 0) return spawn(command, args, options);
  if (!SINGLE_ID) return spawn(command, args, { ...options, uid: user.uid, gid: user.gid });
  const ids = [`--map-user=${user.uid}`, `--map-group=${user.gid}`];
  return spawn('unshare', ['--user', ...ids, '--', command, ...args], options);
}

/** Owner for new files; undefined if the sandbox has only one user id. */
export function fileOwner(user: User): { uid: number; gid: number } | undefined {
  return SINGLE_ID ? undefined : { uid: user.uid, gid: user.gid };
}
