/** Runs a template's start command and waits until its ready command succeeds. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './environment.ts';
import { findUser, spawnAs, type User } from './users.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 40;

/** Throws if the start command fails (with the end of its output), or is not ready in time. */
export async function runStartCommand(environment: Environment): Promise<void> {
  const { startCmd, readyCmd, user: name } = environment.settings;
  const user = findUser(name);
  const failure = startCmd ? [start(startCmd, user, environment)] : [];
  if (!readyCmd) return;
  const over = new AbortController();
  try {
    await Promise.race([...failure, untilReady(readyCmd, user, environment, over.signal)]);
  } finally {
    over.abort();
  }
}

async function untilReady(
  command: string,
  user: User,
  environment: Environment,
  over: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!over.aborted && !(await succeeds(command, user, environment))) {
    if (performance.now() > deadline)
      throw new Error(`the template's ready command did not succeed in time: ${command}`);
    await sleep(POLL_MS);
  }
}

/** Rejects when the command fails. */
function start(command: string, user: User, environment: Environment): Promise<never> {
  const child = shell(command, user, environment);
  let tail = '';
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk).slice(-1000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const failure = new Promise<never>((_resolve, reject) => {
    const fail = (end: string) => reject(new Error(`the template's start command ended with ${end}`));
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, signal) => {
      if (code !== 0) fail(`${signal ?? `exit code ${code}`}: ${tail.trim()}`);
    });
  });
  // Avoids an unhandled rejection: the command may fail long after anything waits for it.
  failure.catch(() => undefined);
  return failure;
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
