// A router of another maker as a contestant, started by a command.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../harness/free-port.ts';
import { startSimulators } from '../harness/simulators.ts';
import { until } from '../harness/until.ts';
import type { Contestant } from './contestant.ts';
import { simulated, untilPaused } from './simulated.ts';

const READY_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 5_000;

/**
 * Starts it with a pair of simulators in its environment variables; it is ready when it listens on `PORT`, and must
 * serve webhooks at `/webhook` there.
 * @param command of a shell, or a folder in which `npm start` is run
 * @throws with the end of its output if it does not start
 */
export async function startPeer(stateDir: string, name: string, command: string): Promise<Contestant> {
  const own = join(stateDir, name.replaceAll(' ', '-'));
  mkdirSync(own, { recursive: true });
  const port = await freePort();
  const webhook = `http://127.0.0.1:${port}/webhook`;
  const simulators = await startSimulators({ stateDir: own, logDir: own, cwd: own, webhook });
  const { anthropic, e2b } = simulators.connection;
  const isFolder = existsSync(command) && statSync(command).isDirectory();
  const logFile = join(own, 'peer.log');
  const log = openSync(logFile, 'w');
  const child = spawn('bash', ['-c', isFolder ? 'exec npm start' : command], {
    cwd: isFolder ? command : process.cwd(),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      STATE_DIR: own,
      ANTHROPIC_BASE_URL: anthropic.url,
      ANTHROPIC_API_KEY: anthropic.apiKey,
      ANTHROPIC_ENVIRONMENT_ID: anthropic.environmentId,
      ANTHROPIC_ENVIRONMENT_KEY: anthropic.environmentKey,
      ANTHROPIC_WEBHOOK_SIGNING_KEY: anthropic.webhookSigningKey,
      E2B_API_KEY: e2b.apiKey,
      E2B_API_URL: e2b.url,
      E2B_SANDBOX_URL: e2b.url,
    },
    stdio: ['ignore', log, log],
    // A group of its own, to end what its shell has started.
    detached: true,
  });
  closeSync(log);
  const orphaned = () => void (child.pid && process.kill(-child.pid, 'SIGTERM'));
  process.once('exit', orphaned);
  const ended = once(child, 'exit').finally(() => process.off('exit', orphaned));
  const close = async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (child.exitCode !== null || child.signalCode !== null || !child.pid) break;
      process.kill(-child.pid, signal);
      await Promise.race([ended, sleep(STOP_WITHIN_MS, undefined, { ref: false })]);
    }
    await simulators.stop();
  };
  try {
    await Promise.race([
      until(`${name} listens on port ${port}`, () => listens(port), READY_WITHIN_MS),
      ended.then(() => Promise.reject(new Error(`${name} ended`))),
    ]);
  } catch (error) {
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-15).join('\n');
    await close();
    throw new Error(`${(error as Error).message}; its command: ${command}\n${said}`);
  }
  return {
    name,
    ...simulated(simulators.connection, simulators.admin),
    paused: () => untilPaused(simulators.connection, simulators.admin, { passTime: true }),
    close,
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
