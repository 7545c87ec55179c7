// Finds the programs of a Temporal cluster in the project's cache. Those that are missing are built from their Go
// modules: minutes the first time, so progress is reported.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectPath } from '../../src/paths.ts';

export interface ClusterPrograms {
  /** All four services. */
  server: string;
  /** Creates and updates the schema of the database. */
  sqlTool: string;
  ui: string;
}

/** Packages of one module, built together. */
interface Module {
  name: string;
  version: string;
  packages: string[];
}

/** The same server as in the Temporal CLI that the dev server comes from. */
const SERVER: Module = {
  name: 'go.temporal.io/server',
  version: 'v1.32.0',
  packages: ['cmd/server', 'cmd/tools/sql'],
};
const UI: Module = {
  name: 'github.com/temporalio/ui-server/v2',
  version: 'v2.54.1',
  packages: ['cmd/server'],
};

/** Compilers at once, at low priority: the build must not take the machine from its user. */
const PARALLEL = 2;
const NICENESS = 15;
const PROGRESS_EVERY_MS = 15_000;

/** @throws Error with the output of the build, or with the way to install Go */
export async function findClusterPrograms(progress: (line: string) => void): Promise<ClusterPrograms> {
  const server = await build(SERVER, progress);
  const ui = await build(UI, progress);
  return { server: join(server, 'server'), sqlTool: join(server, 'sql'), ui: join(ui, 'server') };
}

/** @returns the folder with the programs */
async function build({ name, version, packages }: Module, progress: (line: string) => void): Promise<string> {
  const folder = projectPath(`.cache/cluster/${name.replaceAll('/', '+')}@${version}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    progress(`building ${name} ${version} …`);
    await install(
      packages.map((one) => `${name}/${one}@${version}`),
      unfinished,
      (line) => progress(`building ${name} ${version}: ${line}`),
    );
    await rename(unfinished, folder);
    return folder;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function install(packages: string[], into: string, progress: (line: string) => void): Promise<void> {
  const args = [
    '-n',
    String(NICENESS),
    'go',
    'install',
    '-v',
    `-p=${PARALLEL}`,
    '-buildvcs=false',
    ...packages,
  ];
  const child = spawn('nice', args, {
    env: { ...process.env, GOBIN: into },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const beganAt = Date.now();
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - beganAt) / 1000);
    progress(`${lines.length} downloads and packages, ${seconds} s; the last: ${lines.at(-1) ?? '–'}`);
  }, PROGRESS_EVERY_MS);
  const stop = () => void child.kill();
  process.once('exit', stop);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    // `nice` ends with 127 if there is no program to run.
    if (code === 127)
      throw new Error('go not found. Install Go 1.26.8 or newer (https://go.dev/dl), and put it on PATH');
    if (code !== 0) throw new Error(`go install ended with code ${code}:\n${lines.slice(-10).join('\n')}`);
  } finally {
    clearInterval(timer);
    process.off('exit', stop);
  }
}
