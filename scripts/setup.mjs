// Makes a clone ready to run: installs packages (among them the Node that npm scripts use), builds bundles and, on request,
// downloads the Temporal CLI. Every npm script runs this first, so it needs only npm and Node 20.19, and exits at once if
// there is nothing to do. It writes to standard error only: standard output belongs to the program that follows.
//
//   node scripts/setup.mjs              packages and bundles
//   node scripts/setup.mjs --temporal   also the Temporal CLI, for scripts that start a dev server
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundlesAreCurrent } from './bundles.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => join(root, path);
const say = (line) => process.stderr.write(`setup: ${line}\n`);

/** The oldest Node for this script and npm, and the oldest Node for everything else. */
const SETS_UP_ON = [20, 19];
const RUNS_ON = [22, 18];

const LOCK = at('.cache/setup.lock');
const LOCK_TIMEOUT_MS = 15 * 60_000;
const LOCK_POLL_MS = 200;
const PARENT_POLL_MS = 300;

class SetupError extends Error {}

/** npm writes this list of installed packages last: if it is missing or older than the lock file, npm must run again. */
function packagesAreCurrent() {
  const installed = statSync(at('node_modules/.package-lock.json'), { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(at('package-lock.json')).mtimeMs;
}

async function installPackages() {
  if (packagesAreCurrent()) return;
  const startedAt = Date.now();
  say('installing packages (npm ci) …');
  // Packages for building and testing are needed even if NODE_ENV is `production`.
  // Its warnings are about the Node that starts this script; what it installs runs on the Node that it brings.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const failed = await run('npm', args);
  if (failed) throw new SetupError(`npm ci ${failed}; its own message is above`);
  say(`packages installed in ${seconds(startedAt)}`);
}

/**
 * The Node of the npm package `node`, which npm scripts find first on their path. The package's install script fetches
 * it. If install scripts are disabled, the Node that runs this script is used, provided that it is new enough.
 */
function findNode() {
  const installed = at('node_modules/.bin/node');
  for (const node of [installed, process.execPath]) {
    const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
    if (status === 0 && isAtLeast(stdout.trim().slice(1), RUNS_ON)) return node;
  }
  throw new SetupError(
    `Node.js ${RUNS_ON.join('.')} or newer is needed; this is ${process.versions.node}, and npm has not installed ` +
      'the package `node`. Let npm run its install script (`npm rebuild node`), or install a newer Node.js',
  );
}

async function build(node) {
  if (bundlesAreCurrent()) return;
  const startedAt = Date.now();
  say('bundling workflows and toolhost …');
  const failed = await run(node, [at('scripts/build.mjs')]);
  if (failed) throw new SetupError(`the build ${failed}; its own message is above`);
  say(`bundled in ${seconds(startedAt)}`);
}

async function findTemporal(node) {
  const failed = await run(node, ['--disable-warning=ExperimentalWarning', at('scripts/find-temporal.mjs')]);
  if (failed) throw new SetupError('no Temporal CLI; the reason is above');
}

/** @returns undefined, or how the program failed; what it writes goes to standard error */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
    const end = () => child.kill();
    process.once('exit', end);
    child.once('error', (error) => resolve(`cannot be run: ${error.message}`));
    child.once('close', (code, signal) => {
      process.off('exit', end);
      resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`);
    });
  });
}

/** Runs the task while no other set-up of this clone runs. */
async function alone(task) {
  mkdirSync(at('.cache'), { recursive: true });
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  for (let reported = false; !takeLock(); reported = true) {
    if (!reported) say(`waiting for another set-up of this clone (process ${holder()}) …`);
    if (Date.now() > deadline)
      throw new SetupError(`the other set-up does not end; if no set-up is running, delete ${LOCK}`);
    await sleep(LOCK_POLL_MS);
  }
  const release = () => rmSync(LOCK, { force: true });
  process.once('exit', release);
  try {
    await task();
  } finally {
    process.off('exit', release);
    release();
  }
}

function takeLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  // A set-up that was killed has left the lock behind.
  if (!isAlive(holder())) rmSync(LOCK, { force: true });
  return false;
}

/** The pid of the process that holds the lock; undefined if there is no lock, or it has no pid in it yet. */
function holder() {
  try {
    return Number(readFileSync(LOCK, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    if (pid !== undefined) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function isAtLeast(version, [wantedMajor, wantedMinor]) {
  const [major, minor] = version.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
// When npm is ended, the shell of its script does not pass the signal on, so this script ends when its parent has ended.
if (process.env.npm_lifecycle_event) {
  const { ppid } = process;
  setInterval(() => process.ppid === ppid || process.exit(130), PARENT_POLL_MS).unref();
}

try {
  if (!isAtLeast(process.versions.node, SETS_UP_ON))
    throw new SetupError(
      `Node.js ${SETS_UP_ON.join('.')} or newer is needed; this is ${process.versions.node}`,
    );
  if (!packagesAreCurrent()) await alone(installPackages);
  const node = findNode();
  await build(node);
  if (process.argv.includes('--temporal')) await findTemporal(node);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
