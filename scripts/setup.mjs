// Makes a clone ready to run: packages, `dist/`, and the Temporal CLI where it is asked for. Every npm script runs
// this first, so it needs nothing but Node and npm, and ends at once when there is nothing to do.
// Writes to standard error only: standard output belongs to the program that follows.
//
//   node scripts/setup.mjs              packages and dist/
//   node scripts/setup.mjs --temporal   also the Temporal CLI, for whatever starts a dev server
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FINGERPRINT_FILE, fingerprint } from './fingerprint.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => join(root, path);
const say = (line) => process.stderr.write(`setup: ${line}\n`);

const LOCK = at('.cache/setup.lock');
const LOCK_TIMEOUT_MS = 15 * 60_000;
const LOCK_POLL_MS = 200;

class SetupError extends Error {}

/** npm writes the list of what it installed last of all: older than the lock file, or absent, it does not count. */
function packagesAreCurrent() {
  const installed = statSync(at('node_modules/.package-lock.json'), { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(at('package-lock.json')).mtimeMs;
}

function buildIsCurrent() {
  const file = at(`dist/${FINGERPRINT_FILE}`);
  return existsSync(file) && readFileSync(file, 'utf8') === fingerprint(root);
}

async function installPackages() {
  if (packagesAreCurrent()) return;
  const startedAt = Date.now();
  say('installing packages (npm ci) …');
  // The packages that build and test are needed whatever NODE_ENV says.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const failed = await run('npm', args);
  if (failed) throw new SetupError(`npm ci ${failed}; its own message is above`);
  say(`packages installed in ${seconds(startedAt)}`);
}

async function build() {
  if (buildIsCurrent()) return;
  const startedAt = Date.now();
  say('building dist/ …');
  const failed = await run(process.execPath, [at('scripts/build.mjs')]);
  if (failed) throw new SetupError(`the build ${failed}; its own message is above`);
  say(`built in ${seconds(startedAt)}`);
}

async function findTemporal() {
  const { findTemporalCli } = await import(pathToFileURL(at('dist/harness/temporal-binary.js')).href);
  try {
    await findTemporalCli({ progress: say });
  } catch (error) {
    throw new SetupError(error.message);
  }
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
  for (let told = false; !takeLock(); told = true) {
    if (!told) say(`waiting for another set-up of this clone (process ${holder()}) …`);
    if (Date.now() > deadline)
      throw new SetupError(`the other set-up does not end; if none runs, delete ${LOCK}`);
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
  // Left behind by one that was killed.
  if (!isAlive(holder())) rmSync(LOCK, { force: true });
  return false;
}

/** The process that holds the lock; undefined while nobody does or the holder has not written itself in. */
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

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node.js 20.19 or newer is needed; this is ${process.versions.node}`);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
try {
  checkNode();
  if (!packagesAreCurrent() || !buildIsCurrent()) {
    await alone(async () => {
      await installPackages();
      await build();
    });
  }
  if (process.argv.includes('--temporal')) await findTemporal();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
