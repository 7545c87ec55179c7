// Starts Temporal's dev server for the demo, the tests and development: a process of its own, loopback only.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeNamespace, lazyTemporal, NAMED_SEARCH_ATTRIBUTES } from '../src/clients/temporal.ts';
import { projectPath } from '../src/paths.ts';
import { freePort } from './free-port.ts';
import { findTemporalCli } from './temporal-binary.ts';

export interface TemporalServer {
  /** `127.0.0.1:port` */
  address: string;
  /** Absent without a UI. */
  uiUrl?: string;
  pid: number;
  /** Stops the server and waits for its end. */
  close(): Promise<void>;
  /** Lets the server outlive this process. */
  release(): void;
}

export interface TemporalServerOptions {
  /** Default: a free port. */
  port?: number;
  /** 0: a free port; default: no UI. */
  uiPort?: number;
  /** SQLite file that keeps the state over restarts; default: in memory. */
  dbFile?: string;
  /** File for the server's output; default: `.cache/temporal/server-<port>.log`. */
  logFile?: string;
}

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
/** Three times as fast as the default, and equally durable if the server is killed; only a power cut may lose writes. */
const SQLITE_PRAGMAS = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'];

/**
 * Starts a dev server with our search attributes. Resolves when it answers for the namespace `default`.
 * @throws Error with the end of the server's output if it does not start
 */
export async function startTemporal(options: TemporalServerOptions = {}): Promise<TemporalServer> {
  const cli = await findTemporalCli();
  const port = options.port || (await freePort());
  const uiPort = options.uiPort === 0 ? await freePort() : options.uiPort;
  const logFile = options.logFile ?? projectPath(`.cache/temporal/server-${port}.log`);
  if (options.dbFile) mkdirSync(dirname(options.dbFile), { recursive: true });
  mkdirSync(dirname(logFile), { recursive: true });

  const args = ['server', 'start-dev', '--ip', HOST, '--port', String(port), '--log-level', 'warn'];
  args.push(...(uiPort === undefined ? ['--headless'] : ['--ui-ip', HOST, '--ui-port', String(uiPort)]));
  if (options.dbFile) args.push('--db-filename', options.dbFile, ...SQLITE_PRAGMAS);
  // Otherwise the server would check for newer versions on the internet.
  args.push('--dynamic-config-value', 'frontend.enableServerVersionCheck=false');
  for (const attribute of NAMED_SEARCH_ATTRIBUTES) args.push('--search-attribute', attribute);

  // detached: Ctrl-C in a terminal must reach only us, because we stop the server last.
  const output = openSync(logFile, 'w');
  const child = spawn(cli, args, { stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const address = `${HOST}:${port}`;
  try {
    await untilReady(child, port);
  } catch (error) {
    process.off('exit', kill);
    await end(child);
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
    throw new Error(`The Temporal dev server (${cli}) did not start: ${(error as Error).message}\n${said}`);
  }
  return {
    address,
    ...(uiPort === undefined ? {} : { uiUrl: `http://${HOST}:${uiPort}` }),
    pid: child.pid as number,
    close: () => {
      process.off('exit', kill);
      return end(child);
    },
    release: () => {
      process.off('exit', kill);
      child.unref();
    },
  };
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`it ended with ${signal ?? `code ${code}`}`)));
  });
  failed.catch(() => undefined);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await Promise.race([answers(port), failed]))) {
    if (Date.now() > deadline)
      throw new Error(`no answer on port ${port} within ${START_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

async function answers(port: number): Promise<boolean> {
  // After a refused connection, gRPC would wait for a second before the next attempt.
  if (!(await listens(port))) return false;
  const { connection } = lazyTemporal({
    connectionOptions: { address: `${HOST}:${port}` },
    namespace: 'default',
  });
  try {
    await connection.withDeadline(Date.now() + 1_000, () => describeNamespace(connection, 'default'));
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}
