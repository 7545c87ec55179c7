/** Sources that are in no registry: from a folder that a variable names, or from a clone of one commit. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { cache } from '../programs.ts';

const exec = promisify(execFile);

export interface Source {
  /** Variable with the folder of a checkout, which is only read. */
  variable: string;
  /** `owner/name` on GitHub. */
  repository: string;
  /** Commit to clone if the variable is not set. */
  commit: string;
}

/** Copies the sources into a folder in which packages may be installed. If there are none, throws an error with instructions. */
export async function checkout({ variable, repository, commit }: Source): Promise<string> {
  const given = process.env[variable];
  const folder = given ? resolve(given) : await clone({ variable, repository, commit });
  if (!existsSync(folder)) throw new Error(`${variable} names a folder that is not there: ${folder}`);
  const copy = join(cache, 'routers', repository, commit.slice(0, 7));
  const keep = (path: string) => !['node_modules', '.git'].includes(basename(path));
  await cp(folder, copy, { recursive: true, force: true, filter: keep });
  return copy;
}

async function clone({ variable, repository, commit }: Source): Promise<string> {
  const url = `https://github.com/${repository}`;
  const folder = join(cache, 'routers', `${repository}-${commit.slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const env = { ...process.env, GIT_TERMINAL_PROMPT: '0' };
  const git = (...args: string[]) => exec('git', ['-C', unfinished, ...args], { env, timeout: 120_000 });
  try {
    await git('init', '--quiet');
    await git('fetch', '--quiet', '--depth', '1', url, commit);
    await git('checkout', '--quiet', 'FETCH_HEAD');
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(
      `the sources of ${repository} cannot be fetched here (${(stderr || message).trim()}); bring a checkout of ` +
        `${url} at ${commit} and set ${variable} to its folder`,
    );
  }
  await rename(unfinished, folder);
  return folder;
}
