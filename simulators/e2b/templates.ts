/** Local templates from manifests: a tree over the sandbox's root, and a start command. `base` always exists. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { IS_ROOT, OWNER } from './isolation/owner.ts';

const Manifest = z.strictObject({
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]*$/),
  /** Relative to the manifest. */
  dir: z.string().nullish(),
  startCmd: z.string().nullish(),
  readyCmd: z.string().nullish(),
  env: z.record(z.string(), z.string()).nullish(),
  workdir: z.string().startsWith('/').nullish(),
  user: z.string().nullish(),
});

export interface LocalTemplate {
  id: string;
  /** Changes whenever a part of the template changes. */
  buildId: string;
  name: string;
  /** Folder of the tree; an empty folder if the template has none. */
  tree: string;
  /** Folder of the disk of a build, laid over the tree. */
  disk?: string;
  startCmd: string | null;
  readyCmd: string | null;
  env: Record<string, string>;
  workdir: string | null;
  user: string;
}

/**
 * Reads the manifests and copies their trees into `folder`, so that later changes do not affect running sandboxes.
 *
 * @throws Error that names the manifest and the problem
 */
export async function loadTemplates(paths: readonly string[], folder: string): Promise<LocalTemplate[]> {
  const empty = join(folder, 'empty');
  await mkdir(empty, { recursive: true, mode: 0o755 });
  const base = { tree: empty, startCmd: null, readyCmd: null, env: {}, workdir: null, user: 'user' };
  const templates = [identified({ name: 'base', ...base })];
  for (const path of paths) {
    const manifest = await readManifest(path);
    const { name, startCmd = null, readyCmd = null, env, workdir = null, user } = manifest;
    const tree = manifest.dir ? await stage(resolve(dirname(path), manifest.dir), name, folder, path) : empty;
    templates.push(
      identified({ name, tree, startCmd, readyCmd, env: env ?? {}, workdir, user: user ?? 'user' }),
    );
  }
  return templates;
}

function identified(template: Omit<LocalTemplate, 'id' | 'buildId'>): LocalTemplate {
  const hash = createHash('sha256').update(JSON.stringify(template)).digest('hex');
  const [, ...parts] = /^(.{8})(.{4})(.{4})(.{4})(.{12})/.exec(hash) ?? [];
  return { id: templateId(template.name), buildId: parts.join('-'), ...template };
}

function templateId(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 20);
}

async function readManifest(path: string): Promise<z.infer<typeof Manifest>> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new Error(`cannot read the template manifest ${path}: ${error.message}`);
  });
  try {
    return Manifest.parse(JSON.parse(text));
  } catch (error) {
    const words = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`the template manifest ${path} is not valid: ${words}`);
  }
}

/** Copies a tree for the sandboxes' owner, unless an identical copy exists. */
async function stage(source: string, name: string, folder: string, manifest: string): Promise<string> {
  if (!(await stat(source).catch(() => undefined))?.isDirectory()) {
    throw new Error(`the template manifest ${manifest} names a folder that does not exist: ${source}`);
  }
  const target = join(folder, `${templateId(name)}-${await fingerprint(source)}`);
  if (existsSync(target)) return target;
  const work = `${target}.tmp`;
  await rm(work, { recursive: true, force: true });
  await cp(source, work, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  await chmod(work, 0o755);
  if (IS_ROOT) await promisify(execFile)('chown', ['-R', '-h', `${OWNER.uid}:${OWNER.gid}`, work]);
  await rename(work, target);
  return target;
}

/** A hash that changes when a file of the tree is changed, added or removed. */
async function fingerprint(source: string): Promise<string> {
  const hash = createHash('sha256').update(`${OWNER.uid}`);
  for (const name of (await readdir(source, { recursive: true })).sort()) {
    const { mode, size, mtimeMs, ctimeMs } = await lstat(join(source, name));
    hash.update(JSON.stringify([name, mode, size, mtimeMs, ctimeMs]));
  }
  return hash.digest('hex').slice(0, 12);
}
