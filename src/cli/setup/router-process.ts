// Runs the router for the length of a smoke test, where none is running yet.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../config.ts';
import { CommandError, EXIT } from '../command.ts';

/** An embedded Temporal server may have to be fetched first. */
const READY_WITHIN_MS = 300_000;
const STOP_WITHIN_MS = 40_000;
const LAST_SHOWN = 2_000;

export interface RouterProcess {
  /** What the router said when it was ready. */
  said: string;
  logFile: string;
  /** Rejects if the router ends by itself. */
  ended: Promise<never>;
  /** Stops it in order. @param keepLog leaves the log file for a person to read */
  stop(keepLog: boolean): Promise<void>;
}

/**
 * Runs `start` as a process of its own and waits until it serves sessions.
 * @param env all variables of the process
 * @throws CommandError with the end of what the router wrote; the reason of `signal`
 */
export async function startRouter(env: Environment, signal: AbortSignal): Promise<RouterProcess> {
  signal.throwIfAborted();
  const folder = mkdtempSync(join(tmpdir(), 'managed-agents-router-'));
  const logFile = join(folder, 'router.log');
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'start'], {
    // No webhooks are needed here, and the port may be taken. Nothing runs any more when it is stopped.
    env: { ...env, WEBHOOK_PORT: '0', WORKER_SHUTDOWN_GRACE_SECONDS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C in a terminal reaches all processes of a group; this one is stopped in order by its parent.
    detached: true,
  });
  const log = createWriteStream(logFile, { mode: 0o600 });
  let written = '';
  const onText = (chunk: Buffer) => {
    log.write(chunk);
    written = (written + chunk).slice(-LAST_SHOWN);
  };
  child.stderr.on('data', onText);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    onText(chunk);
    said = (said + chunk).slice(-LAST_SHOWN);
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const stop = async (keepLog: boolean) => {
    await stopChild(child, exit);
    log.end();
    if (!keepLog) rmSync(folder, { recursive: true, force: true });
  };
  // If this process dies without a chance to clean up, the router must not go on unseen.
  const orphaned = () => void child.kill('SIGTERM');
  process.once('exit', orphaned);
  void exit.then(() => process.off('exit', orphaned));
  try {
    await ready(() => said.includes('worker of '), child, signal);
  } catch (error) {
    await stop(false);
    if (signal.aborted) throw error;
    throw new CommandError(`${(error as Error).message}. It wrote:\n${written.trim()}`, EXIT.failed);
  }
  const ended = exit.then((code) => {
    throw new CommandError(`The router ended with code ${code}; its log: ${logFile}`, EXIT.failed);
  });
  ended.catch(() => undefined);
  return { said: said.trim(), logFile, ended, stop };
}

async function ready(isReady: () => boolean, child: ChildProcess, signal: AbortSignal): Promise<void> {
  const late = Date.now() + READY_WITHIN_MS;
  while (!isReady()) {
    if (child.exitCode !== null) throw new Error('The router cannot start');
    if (Date.now() > late)
      throw new Error(`The router was not ready within ${READY_WITHIN_MS / 60_000} minutes`);
    await sleep(100, undefined, { signal });
  }
}

async function stopChild(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exit;
  clearTimeout(timer);
}
