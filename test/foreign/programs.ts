/**
 * Finds or builds third-party programs for a test, runs them, and stops them after it. Nothing is skipped: a missing tool
 * is an error with instructions to install it. Downloads are kept in `.cache/foreign`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Folder for downloads and builds. */
export const cache = join(root, '.cache/foreign');
const exec = promisify(execFile);

const HINTS = {
  python3:
    'Python 3.9 or newer with venv: apt-get install python3 python3-venv, or https://www.python.org/downloads',
  openssl: 'apt-get install openssl, or https://openssl-library.org',
  go: 'Go 1.24 or newer: https://go.dev/doc/install',
};

/** Throws an error with a hint if the tool does not run. */
export async function need(tool: keyof typeof HINTS): Promise<void> {
  const version = tool === 'python3' ? '--version' : 'version';
  await exec(tool, [version]).catch((error: Error) => {
    throw new Error(`test:foreign needs ${tool} (${HINTS[tool]}); here: ${error.message}`);
  });
}

/** Interpreter of a virtual environment with these PyPI packages, such as `anthropic==2.14.0`. */
export async function python(...packages: string[]): Promise<string> {
  await need('python3');
  const venv = join(cache, `python-${digest(packages)}`);
  const interpreter = join(venv, 'bin/python');
  const done = `${venv}.done`;
  if (existsSync(done)) return interpreter;
  await rm(venv, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  await exec('python3', ['-m', 'venv', venv]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages];
  await exec(interpreter, pip).catch((error: Error & { stderr?: string }) => {
    throw new Error(`pip install ${packages.join(' ')} failed: ${error.stderr ?? error.message}`);
  });
  await mkdir(done);
  return interpreter;
}

/** Folder of an npm package, such as `@e2b/cli@2.19.0`, installed with its dependencies. */
export async function npmPackage(spec: string): Promise<string> {
  const folder = join(cache, `npm-${digest([spec])}`);
  const path = join(folder, 'node_modules', spec.slice(0, spec.lastIndexOf('@')));
  if (existsSync(`${folder}.done`)) return path;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const args = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', spec];
  await exec('npm', args, { cwd: folder }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`npm install ${spec} failed: ${error.stderr ?? error.message}`);
  });
  await mkdir(`${folder}.done`);
  return path;
}

/** Installs the dependencies in the `package.json` of a folder, following its README. */
export async function npmInstall(folder: string): Promise<void> {
  await npm(['install', '--no-audit', '--no-fund'], folder);
}

/** Installs packages into a folder, for programs in that folder and below. */
export async function npmInstallInto(folder: string, specs: string[]): Promise<void> {
  const done = join(folder, `npm-${digest(specs)}.done`);
  if (existsSync(done)) return;
  await npm(['install', '--prefix', folder, '--no-audit', '--no-fund', ...specs], folder);
  await mkdir(done);
}

async function npm(args: string[], cwd: string): Promise<void> {
  await exec('npm', args, { cwd, maxBuffer: 1e8 }).catch((error: Error & { stderr?: string }) => {
    throw new Error(`npm ${args.join(' ')} failed: ${error.stderr ?? error.message}`);
  });
}

/** Builds the Go program in a folder next to the tests. Returns the path of the executable. */
export async function goProgram(folder: string): Promise<string> {
  await need('go');
  await mkdir(cache, { recursive: true });
  const executable = join(cache, `go-${folder.replaceAll('/', '-')}`);
  const cwd = join(root, 'test/foreign', folder);
  await exec('go', ['build', '-o', `${executable}.new`, '.'], { cwd, maxBuffer: 1e8 }).catch(
    (error: Error & { stderr?: string }) => {
      throw new Error(`go build of ${folder} failed: ${error.stderr ?? error.message}`);
    },
  );
  await rename(`${executable}.new`, executable);
  return executable;
}

export interface Running {
  /** Standard output and standard error so far. */
  output(): string;
  /** Resolves when the output contains the text. Throws if the program ends first. */
  says(text: string): Promise<void>;
  /** Sends SIGTERM, and SIGKILL if the program does not end in time. */
  end(): Promise<void>;
}

/** Starts a program without our environment variables, except those that every program needs. */
export function run(command: string, args: string[], env: Record<string, string>, cwd = root): Running {
  const { PATH = '', HOME = '' } = process.env;
  const child: ChildProcess = spawn(command, args, { cwd, env: { PATH, HOME, ...env }, stdio: 'pipe' });
  let text = '';
  let watch = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      watch();
    });
  }
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    output: () => text,
    says: (wanted) =>
      new Promise((resolve, reject) => {
        watch = () => text.includes(wanted) && resolve();
        watch();
        void closed.then(() => reject(new Error(`it ended without saying ${wanted}:\n${text}`)));
        child.once('error', reject);
      }),
    end: async () => {
      child.kill('SIGTERM');
      const insist = setTimeout(() => child.kill('SIGKILL'), 5000);
      await closed;
      clearTimeout(insist);
    },
  };
}

/** Path of a file next to the tests. */
export function beside(file: string): string {
  return join(root, 'test/foreign', file);
}

function digest(packages: string[]): string {
  return createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 12);
}
