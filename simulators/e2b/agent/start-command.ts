/** Runs a template's start command and waits until its ready command succeeds. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './environment.ts';
import { findUser, spawnAs, type User } from './users.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 40;

/** Throws with the end of the output when the start command fails or does not become ready in time. */
export async function runStartCommand(environment: Environment): Promise<void> {
  const { startCmd, readyCmd, user: name } = environment.settings;
  const user = findUser(name);
  const started = startCmd ? start(startCmd, user, environment) : undefined;
  if (!readyCmd) return;
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await succeeds(readyCmd, user, environment))) {
    const end = started?.failure();
    if (end) throw new Error(`the template's start command ended with ${end}`);
    if (performance.now() > deadline) {
      throw new Error(`the template's ready command did not succeed in time: ${readyCmd}`);
    }
    await sleep(POLL_MS);
  }
}

function start(command: string, user: User, environment: Environment) {
  const child = shell(command, user, environment);
  let tail = '';
  let end: string | undefined;
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk).slice(-1000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.on('error', (error) => {
    end = error.message;
  });
  child.on('close', (code, signal) => {
    if (code !== 0) end = `${signal ?? `exit code ${code}`}: ${tail.trim()}`;
  });
  return { failure: () => end };
}

function succeeds(command: string, user: User, environment: Environment): Promise<boolean> {
  const child = shell(command, user, environment);
  child.stdout?.resume();
  child.stderr?.resume();
  return new Promise((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}

function shell(command: string, user: User, environment: Environment) {
  return spawnAs(user, '/bin/bash', ['-l', '-c', command], {
    cwd: environment.workdir(user),
    env: environment.templateVariables(user),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
