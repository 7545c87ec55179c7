/** The lower layers that all local sandboxes share: made once per host state, kept in the cache folder. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asOwner, OWNER } from './owner.ts';
import { BASE_SCRIPT } from './setup-script.ts';

/** What a base tree is made from; when one of them changes, a new tree is made. */
const SOURCES = ['/etc/passwd', '/etc/ld.so.cache', '/etc/alternatives', '/usr/bin', '/var/lib/dpkg/status'];

/** Folder of the base tree, made in a few seconds if it is not there yet. Throws with the script's own words. */
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
      // Another process was faster.
      if (!existsSync(dir)) throw error;
    });
    return dir;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The working directory is entered before the rights are dropped, so its parents may be closed to the owner. */
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
