// Runs every npm script as a person does on a machine with Node 20: the two commands of the README in bare copies of the
// repository, the other scripts in the copies that these have set up. Prints which Node ran each script. A signal to npm
// must end all processes.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { findTemporalCli } from '../../harness/temporal-binary.ts';
import { until } from '../../harness/until.ts';
import { projectPath } from '../../src/paths.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

const exec = promisify(execFile);
const scripts = Object.keys(JSON.parse(readFileSync(projectPath('package.json'), 'utf8')).scripts);
const NOT_COPIED = ['node_modules', 'dist', 'bundles', '.cache', '.state', '.git', '.env'];

let folder: string;
let bin: string;
let log: string;

/** Records the version of each Node process, and whether the process belongs to npm itself. */
const RECORDER = `require('node:fs').appendFileSync(process.env.NODE_RECORD, JSON.stringify({
  pid: process.pid, version: process.version, args: process.argv.slice(1) }) + '\\n');`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'scripts-'));
  bin = await oldNode();
  log = join(folder, 'processes');
  writeFileSync(join(folder, 'recorder.cjs'), RECORDER);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Folder with `node` 20 and npm: those of this machine, or copies that npm fetches. */
async function oldNode(): Promise<string> {
  const path = (process.env.PATH ?? '').split(delimiter).filter((part) => !part.includes('node_modules'));
  const own = path.find((part) => existsSync(join(part, 'node')));
  const version = own && execFileSync(join(own, 'node'), ['--version'], { encoding: 'utf8' });
  if (own && version?.startsWith('v20.')) return own;
  const args = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'];
  const name = `node-linux-${process.arch}`;
  await exec('npm', [...args, `${name}@20.19.0`]);
  return join(folder, 'node_modules', name, 'bin');
}

/** A copy of the repository like a fresh clone, with Temporal's dev server where the set-up finds it. */
async function bareCopy(name: string): Promise<string> {
  const root = projectPath('');
  const copy = join(folder, name);
  cpSync(root, copy, { recursive: true, filter: (path) => !NOT_COPIED.includes(basename(path)) });
  const cli = await findTemporalCli();
  mkdirSync(join(copy, '.cache/temporal'), { recursive: true });
  try {
    linkSync(cli, join(copy, '.cache/temporal', basename(cli)));
  } catch {
    cpSync(cli, join(copy, '.cache/temporal', basename(cli)));
  }
  return copy;
}

interface Recorded {
  pid: number;
  version: string;
  args: string[];
}

function recorded(): Recorded[] {
  if (!existsSync(log)) return [];
  return readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

interface Script {
  child: ChildProcess;
  output(): string;
}

function start(cwd: string, args: string[], env: Record<string, string> = {}): Script {
  rmSync(log, { force: true });
  const path = (process.env.PATH ?? '').split(delimiter).filter((part) => !part.includes('node_modules'));
  const child = spawn('npm', args, {
    cwd,
    env: {
      HOME: process.env.HOME,
      PATH: [bin, ...path].join(delimiter),
      NODE_OPTIONS: `--require ${join(folder, 'recorder.cjs')}`,
      NODE_RECORD: log,
      npm_config_prefer_offline: 'true',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  return { child, output: () => output };
}

/** All descendants of this process, and all processes with the copy's path on their command line. */
function processesOf(copy: string, pid: number | undefined): number[] {
  const parents = new Map<number, number>();
  const named: number[] = [];
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') continue;
      parents.set(Number(entry), Number(parent));
      if (readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(copy)) named.push(Number(entry));
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (one: number): boolean => {
    const parent = parents.get(one);
    return parent !== undefined && (parent === pid || below(parent));
  };
  return [...new Set([...[...parents.keys()].filter(below), ...named])];
}

/** The process that does the script's work: the last process that was started with the program's name. */
function program(name: string): Recorded | undefined {
  return recorded().findLast(({ args }) => args[0]?.includes(name));
}

/** Ends npm by SIGTERM and expects that all its processes end. */
async function endByNpm(copy: string, { child, output }: Script): Promise<void> {
  const exit = once(child, 'exit');
  const started = processesOf(copy, child.pid);
  // If the script has ended by itself, npm is about to end as well.
  if (started.length > 0) child.kill('SIGTERM');
  await exit;
  const left = () =>
    started.concat(processesOf(copy, child.pid)).filter((pid) => existsSync(`/proc/${pid}/stat`));
  await until('all processes have ended', async () => left().length === 0, 30_000).catch(() => {
    const names = left().map(
      (pid) => `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`,
    );
    throw new Error(`left behind:\n${names.join('\n')}\n${output()}`);
  });
}

/** Starts a script, waits for its first output, prints which Node runs it, and ends it. */
async function runs(
  copy: string,
  args: string[],
  main: string,
  ready: RegExp | null,
  env = {},
): Promise<void> {
  const script = start(copy, args, env);
  const alive = async () => {
    if (ready ? ready.test(script.output()) : program(main)) return true;
    if (script.child.exitCode !== null) throw new Error(`npm ${args.join(' ')} ended:\n${script.output()}`);
    return false;
  };
  await until(`npm ${args.join(' ')} is at work`, alive, 400_000);
  says(args, main, script.output());
  if (script.child.exitCode === null) await endByNpm(copy, script);
}

function says(args: string[], main: string, output: string): void {
  const ran = program(main);
  console.log(`npm ${args.join(' ')}: ${main} ran on Node ${ran?.version}`);
  expect(ran, output).toBeDefined();
  expect(Number(ran?.version.slice(1).split('.')[0])).toBeGreaterThanOrEqual(22);
}

const ended = new Set<string>();

it('npm run demo from a bare copy', async () => {
  ended.add('demo');
  await runs(await bareCopy('demo'), ['run', 'demo'], 'demo/main.ts', /webhook server http/);
});

it('npm test from a bare copy, and npm ends a running set-up', async () => {
  ended.add('test');
  const copy = await bareCopy('test');
  const installing = start(copy, ['test']);
  await until('packages are installed', async () => /installing packages/.test(installing.output()), 60_000);
  await endByNpm(copy, installing);
  const args = ['test', '--', 'test/integration/limits.test.ts'];
  await runs(copy, args, 'vitest', /RUN/);
});

it('every other script', async () => {
  const copy = join(folder, 'demo');
  const settings = {
    ANTHROPIC_ENVIRONMENT_ID: 'env_scripts',
    ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-not-a-real-key',
    ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
    ANTHROPIC_WEBHOOK_SIGNING_KEY: 'whsec_bm90LWEtcmVhbC1rZXktb2YtYW55LXdlYmhvb2s=',
    E2B_API_KEY: 'e2b_00112233445566778899',
    E2B_API_URL: 'http://127.0.0.1:9',
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    WEBHOOK_PORT: '0',
    WORKER_SHUTDOWN_GRACE_SECONDS: '1',
  };
  const running = async (name: string, main: string, ready: RegExp | null, ...args: string[]) => {
    ended.add(name);
    await runs(copy, ['run', name, ...args], main, ready, settings);
  };
  await running('start', 'src/main.ts', /worker of env_scripts/);
  await running('webhook', 'src/main.ts', /webhook http/);
  await running('worker', 'src/main.ts', /worker of env_scripts/);
  await running('simulate', 'simulators/main.ts', /adminToken/, '--', '--only', 'anthropic');
  await running('chaos', 'chaos/main.ts', null, '--', '--quick');
  await running('bench', 'bench/main.ts', null);
  await running('cluster', 'harness/cluster/main.ts', null);
  for (const name of [
    'histories',
    'test:foreign',
    'test:inside',
    'test:pauses',
    'test:routers',
    'test:browser',
    'test:cluster',
    'test:deploy',
    'test:prometheus',
    'test:real',
  ])
    await running(name, 'vitest', null);
  // These scripts end by themselves.
  await running('bench:many', 'bench/many-sessions.ts', /--crowd/, '--', '--help');
  await running('bench:e2b', 'bench/e2b.ts', /--rounds/, '--', '--help');
  await running('bench:cached', 'bench/cached-sessions.ts', /--calls/, '--', '--help');
  await running('bench:scale', 'bench/scale/main.ts', /--sizes/, '--', '--help');
  await running('bench:cost', 'bench/cost/main.ts', /--quick/, '--', '--help');
  await running('router', 'src/main.ts', /Usage: managed-agents-router/, '--', '--help');
  await running('template', 'template/build.ts', /--no-cache/, '--', '--help');
  await running('settings', 'scripts/settings.ts', null);
  await running('lint', 'biome', /Checked/);
  await running('typecheck', 'tsc', null);
  await running('build', 'scripts/build.mjs', null);
});

it('every script of package.json is tested here', () => {
  const others = scripts.filter((name) => !ended.has(name));
  // package.test.ts runs this script by `npm pack`.
  expect(others).toEqual(['prepack']);
});
