// Runs a server that is not ours, such as Temporal or PostgreSQL, as a child process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServerProcess {
  /** Sends SIGTERM, and SIGKILL if the process does not end in time. */
  stop(): Promise<void>;
  /** Sends SIGKILL, like a crash. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  command: string;
  args: string[];
  /** For standard output and standard error; overwritten. */
  logFile: string;
  cwd?: string;
  /** User and group of the process; default: our own. */
  owner?: { uid: number; gid: number };
  /** Whether the server is ready; asked repeatedly. */
  ready(): Promise<boolean>;
}

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5_000;
const POLL_MS = 50;
const TAIL_LINES = 5;

/** @throws Error with the end of the server's output if it does not start */
export async function startServer(name: string, options: ServerOptions): Promise<ServerProcess> {
  const { command, args, logFile, cwd, owner } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const output = openSync(logFile, 'w');
  // detached: Ctrl-C in a terminal must reach only us, because we stop our servers last.
  const child = spawn(command, args, { stdio: ['ignore', output, output], detached: true, cwd, ...owner });
  closeSync(output);
  const orphaned = () => void child.kill('SIGKILL');
  process.once('exit', orphaned);
  const end = (signal: 'SIGTERM' | 'SIGKILL') => {
    process.off('exit', orphaned);
    return endProcess(child, signal);
  };
  try {
    await untilReady(child, options.ready);
  } catch (error) {
    await end('SIGKILL');
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-TAIL_LINES).join('\n');
    throw new Error(`${name} (${command}) did not start: ${(error as Error).message}\n${said}`);
  }
  return {
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

async function untilReady(child: ChildProcess, ready: () => Promise<boolean>): Promise<void> {
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`it ended with ${signal ?? `code ${code}`}`)));
  });
  failed.catch(() => undefined);
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await Promise.race([ready(), failed]))) {
    if (Date.now() > deadline) throw new Error(`it is not ready after ${READY_WITHIN_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await ended;
  clearTimeout(timer);
}
