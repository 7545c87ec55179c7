// Packs the router for its sandbox: the npm package with its dependencies for Linux, and Temporal's program. A template is
// built from the same archive that an update unpacks.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { Release } from '../../../template/build-router-template.ts';
import { findProgram, TEMPORAL_CLI } from '../../embedded-temporal/program.ts';
import { projectPath } from '../../paths.ts';
import { CommandError } from '../command.ts';

export interface PackedRelease extends Release {
  version: string;
}

const exec = promisify(execFile);
const CACHE = join(homedir(), '.cache/managed-agents-router');
/** Archives that are kept: the newest, and one to go back to. */
const KEPT_RELEASES = 2;
/** A folder to pack in that is older was left behind. */
const PACKING_MS = 24 * 3_600_000;
const MAX_OUTPUT = 64 * 1024 * 1024;
/** Temporal's native core brings a library for each system. */
const NATIVE = 'node_modules/@temporalio/core-bridge/releases';
const NATIVE_LINUX = 'x86_64-unknown-linux-gnu';

/**
 * @param packed an npm package to use instead of this one: a file that `npm pack` has made
 * @throws CommandError if npm fails, or Temporal's program cannot be found
 */
export async function packRelease(
  packed: string | undefined,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<PackedRelease> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'pack-'));
  try {
    const tarball = packed ? resolve(packed) : await packThis(work, progress, signal);
    const version = await versionIn(tarball);
    const id = `${version}-${await checksum(tarball, TEMPORAL_CLI.version)}`;
    const file = join(CACHE, `release-${id}.tar.gz`);
    if (existsSync(file)) {
      // The newest again, so that others are removed before it.
      await utimes(file, new Date(), new Date());
      return { id, file, version };
    }
    progress(`Packing the router ${version} with its packages for Linux`);
    const root = join(work, 'root');
    await install(tarball, root, signal);
    const temporal = await findProgram(TEMPORAL_CLI, {
      folders: [join(CACHE, 'bin'), projectPath('.cache/temporal')],
      forLinux: true,
      progress,
    });
    await mkdir(join(root, 'bin'));
    await copyFile(temporal, join(root, 'bin/temporal'));
    const archive = join(work, 'release.tar.gz');
    await run('tar', ['-czf', archive, '-C', root, 'node_modules', 'bin'], { signal });
    await rename(archive, file);
    return { id, file, version };
  } finally {
    await rm(work, { recursive: true, force: true });
    await removeOld(CACHE);
  }
}

/** In a clone, npm builds the package first; an installed package is packed as it is. */
async function packThis(
  folder: string,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const isClone = existsSync(projectPath('scripts/build.mjs'));
  if (isClone) progress('Building the npm package of this clone');
  const args = ['pack', '--silent', '--pack-destination', folder, ...(isClone ? [] : ['--ignore-scripts'])];
  await run('npm', args, { cwd: projectPath(''), signal });
  const [name] = (await readdir(folder)).filter((each) => each.endsWith('.tgz'));
  if (!name) throw new CommandError('npm pack has left no package');
  return join(folder, name);
}

async function install(tarball: string, root: string, signal: AbortSignal): Promise<void> {
  await mkdir(root);
  const forLinux = ['--os=linux', '--cpu=x64', '--libc=glibc'];
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  // No package needs its install script here; what one built would be for this machine.
  const args = ['install', '--omit=dev', '--ignore-scripts', '--prefer-offline', ...forLinux, ...quiet];
  await run('npm', [...args, '--prefix', root, tarball], { cwd: root, signal });
  for (const system of await readdir(join(root, NATIVE)))
    if (system !== NATIVE_LINUX) await rm(join(root, NATIVE, system), { recursive: true });
}

async function versionIn(tarball: string): Promise<string> {
  const { stdout } = await run('tar', ['-xzOf', tarball, 'package/package.json'], {});
  const { name, version } = JSON.parse(stdout) as { name?: string; version?: string };
  if (name !== 'managed-agents-router' || !version)
    throw new CommandError(`${tarball} is not a package of managed-agents-router`);
  return version;
}

async function checksum(file: string, more: string): Promise<string> {
  const hash = createHash('sha256').update(more);
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex').slice(0, 12);
}

/** Removes all but the newest archives, and what was left behind. @param folder the cache */
export async function removeOld(folder: string): Promise<void> {
  const entries: { path: string; name: string; usedAt: number }[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Another process may remove it at this moment.
    const { mtimeMs: usedAt = 0 } = await stat(path).catch(() => ({ mtimeMs: undefined }));
    entries.push({ path, name, usedAt });
  }
  const releases = entries.filter(({ name }) => name.startsWith('release-'));
  const old = releases.sort((one, other) => other.usedAt - one.usedAt).slice(KEPT_RELEASES);
  const leftBehind = entries.filter(
    ({ name, usedAt }) => name.startsWith('pack-') && Date.now() - usedAt > PACKING_MS,
  );
  for (const { path } of [...old, ...leftBehind]) await rm(path, { recursive: true, force: true });
}

async function run(
  command: string,
  args: string[],
  options: { cwd?: string; signal?: AbortSignal },
): Promise<{ stdout: string }> {
  try {
    // On Windows npm is a script for the shell.
    const shell = process.platform === 'win32' && command === 'npm';
    return await exec(command, args, { ...options, maxBuffer: MAX_OUTPUT, shell });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const { stderr = '', message } = error as Error & { stderr?: string };
    const said = stderr.trim().split('\n').slice(-5).join('\n') || message;
    throw new CommandError(`${command} ${args[0]} failed:\n${said}`);
  }
}
