/** The lower layers that all local sandboxes share: made once per state of the host, kept in the cache folder. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asOwner, OWNER } from './owner.ts';
import { BASE_SCRIPT } from './setup-script.ts';

/** The host files that a base tree depends on; when one of them changes, a new tree is made. */
const SOURCES = ['/etc/passwd', '/etc/ld.so.cache', '/etc/alternatives', '/usr/bin', '/var/lib/dpkg/status'];

/** Folder of the base tree; making a new one takes a few seconds. Throws with the output of the script. */
export async function ensureBaseTree(cacheDir: string): Promise<string> {
  const state = SOURCES.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const key = createHash('sha256')
    .update(JSON.stringify([state, OWNER.uid, BASE_SCRIPT]))
    .digest('hex');
  const dir = join(cacheDir, `sandbox-base-${key.slice(0, 12)}`);
  if (existsSync(dir)) return dir;
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, 'base-'));
  try {
    await chmod(work, 0o755);
    await chown(work, OWNER.uid, OWNER.gid);
    await runScript(work);
    await rename(work, dir).catch((error: NodeJS.ErrnoException) => {
      // Another process has made the same tree meanwhile.
      if (!existsSync(dir)) throw error;
    });
    return dir;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Runs the script as the owner of the sandboxes. `cwd` is entered first, so the owner needs no access to its parents. */
function runScript(cwd: string): Promise<void> {
  const [command, ...args] = [...asOwner(), 'bash', '--norc', '--noprofile', '-c', BASE_SCRIPT];
  const child = spawn(command as string, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`the base tree of the local sandboxes failed: ${errors}`)),
    );
  });
}
