// Runs a program as a child process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

export interface Child {
  name: string;
  pid: number;
  /** First line of its standard output: each of our programs prints a line when it is ready. */
  firstLine: string;
  logFile: string;
  running(): boolean;
  /** Sends SIGTERM, and SIGKILL if the process does not end in time. */
  stop(): Promise<void>;
  /** Sends SIGKILL, like a crash. */
  kill(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;
const TAIL_LINES = 15;

/**
 * Starts a program of Node and waits for its first line.
 * @throws an error with the end of its log if it ends before that
 */
export async function startChild(
  name: string,
  args: string[],
  options: { env: Record<string, string>; cwd: string; logFile: string },
): Promise<Child> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile, { flags: 'a' });
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C in the terminal is for the parent, which ends its children in order.
    detached: true,
  });
  const orphaned = () => void child.kill('SIGTERM');
  process.once('exit', orphaned);
  const ended = once(child, 'exit').finally(() => process.off('exit', orphaned));
  child.stderr.pipe(log);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => log.write(`${line}\n`));
  const firstLine = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(() => null),
    once(child, 'error').then(() => null),
    new Promise<null>((resolve) => setTimeout(resolve, READY_WITHIN_MS, null).unref()),
  ]);
  if (firstLine === null) {
    await end(child, ended, 'SIGKILL');
    throw new Error(`${name} did not start:\n${tail(options.logFile)}`);
  }
  return {
    name,
    pid: child.pid ?? 0,
    firstLine,
    logFile: options.logFile,
    running: () => child.exitCode === null && child.signalCode === null,
    stop: () => end(child, ended, 'SIGTERM'),
    kill: () => end(child, ended, 'SIGKILL'),
  };
}

async function end(
  child: ChildProcess,
  ended: Promise<unknown>,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await ended;
  clearTimeout(late);
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}
