// A Temporal server as a process of its own, on loopback only: embedded in the router, and for the demo and the tests.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NAMED_SEARCH_ATTRIBUTES } from '../clients/search-attributes.ts';
import { describeNamespace, lazyTemporal } from '../clients/temporal.ts';
import { HOST, listens } from './ports.ts';

export interface TemporalServer {
  /** `127.0.0.1:port` */
  address: string;
  /** Absent without a UI. */
  uiUrl?: string;
  /** Of the process that guards the server and ends with it. */
  pid: number;
  /** Resolves with the reason, in words, when the server has ended, also after `close`. */
  ended: Promise<string>;
  /** Stops the server and waits for its end. */
  close(): Promise<void>;
  /** Kills the server with SIGKILL, like a crash, and waits for its end. */
  kill(): Promise<void>;
}

export interface TemporalServerOptions {
  /** Path of the Temporal CLI. */
  cli: string;
  port: number;
  /** Default: no UI. */
  uiPort?: number;
  /** SQLite file that keeps the state over restarts; default: in memory. */
  dbFile?: string;
  /** Whether the state also survives a power cut, which costs a sync of the disk for each write. */
  syncWrites?: boolean;
  /** File for the server's output. */
  logFile: string;
  /** Created if it does not exist; default: `default`. */
  namespace?: string;
  /** Port of the server's metrics for Prometheus; default: one of its own choice. */
  metricsPort?: number;
  /** Dynamic configuration of the server, `key=JSON value`. */
  dynamicConfig?: readonly string[];
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
const DYNAMIC_CONFIG: readonly string[] = [
  // Otherwise the server would check for newer versions on the internet.
  'frontend.enableServerVersionCheck=false',
  // By default a shard reads its new tasks 20 times a second, and this server has a single shard: workflow tasks would wait
  // for up to 50 ms (docs/performance.md).
  'history.transferProcessorMaxPollRPS=1000',
];

/**
 * Runs the server beside a reader of standard input, whose other end only we hold: it ends the server when we close it, and
 * when we die in any way. Neither process outlives the other.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -TERM $server; sleep ${STOP_TIMEOUT_MS / 1000}; kill -KILL $server; } >/dev/null 2>&1 &
reader=$!
wait $server
code=$?
kill -KILL $reader
exit $code`;

/**
 * Starts a server with our search attributes. Resolves when it answers for the namespace.
 * @throws Error with the end of the server's output if it does not start
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { cli, port, uiPort, logFile, namespace = 'default' } = options;
  if (options.dbFile) mkdirSync(dirname(options.dbFile), { recursive: true });
  mkdirSync(dirname(logFile), { recursive: true });

  const output = openSync(logFile, 'w');
  // detached: Ctrl-C in a terminal must reach only us, because we stop the server last.
  const child = spawn('/bin/sh', ['-c', GUARD, 'guard', cli, ...argumentsOf(options)], {
    stdio: ['pipe', output, output],
    detached: true,
  });
  closeSync(output);
  // The pipe breaks when the server ends; `ended` says so.
  child.stdin?.on('error', () => undefined);
  const ended = untilEnded(child);
  try {
    await untilReady(port, namespace, ended);
  } catch (error) {
    await stop(child, ended);
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
    throw new Error(`The Temporal server (${cli}) did not start: ${(error as Error).message}\n${said}`);
  }
  return {
    address: `${HOST}:${port}`,
    ...(uiPort === undefined ? {} : { uiUrl: `http://${HOST}:${uiPort}` }),
    pid: child.pid as number,
    ended,
    close: () => stop(child, ended),
    kill: async () => {
      killGroup(child);
      await ended;
      // The guard is gone at once; the server takes a moment to end, and a new one needs its port.
      await untilReleased(port);
    },
  };
}

function argumentsOf(options: TemporalServerOptions): string[] {
  const { port, uiPort, dbFile, syncWrites, namespace, dynamicConfig = [] } = options;
  const args = ['server', 'start-dev', '--ip', HOST, '--port', String(port), '--log-level', 'warn'];
  args.push(...(uiPort === undefined ? ['--headless'] : ['--ui-ip', HOST, '--ui-port', String(uiPort)]));
  // WAL is three times as fast as the default, and equally durable if the server is killed.
  const pragmas = ['journal_mode=WAL', `synchronous=${syncWrites ? 'FULL' : 'NORMAL'}`];
  if (dbFile) args.push('--db-filename', dbFile, ...pragmas.flatMap((pragma) => ['--sqlite-pragma', pragma]));
  if (namespace) args.push('--namespace', namespace);
  if (options.metricsPort !== undefined) args.push('--metrics-port', String(options.metricsPort));
  for (const value of [...DYNAMIC_CONFIG, ...dynamicConfig]) args.push('--dynamic-config-value', value);
  for (const attribute of NAMED_SEARCH_ATTRIBUTES) args.push('--search-attribute', attribute);
  return args;
}

function untilEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`));
  });
}

async function untilReady(port: number, namespace: string, ended: Promise<string>): Promise<void> {
  const failed = ended.then((why) => Promise.reject(new Error(why)));
  failed.catch(() => undefined);
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await Promise.race([answers(port, namespace), failed]))) {
    if (Date.now() > deadline)
      throw new Error(`no answer on port ${port} within ${START_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** Whether a server on this loopback port answers for the namespace. */
export async function answers(port: number, namespace: string): Promise<boolean> {
  // After a refused connection, gRPC would wait for a second before the next attempt.
  if (!(await listens(port))) return false;
  const { connection } = lazyTemporal({ connectionOptions: { address: `${HOST}:${port}` }, namespace });
  try {
    await connection.withDeadline(Date.now() + 1_000, () => describeNamespace(connection, namespace));
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}

async function untilReleased(port: number): Promise<void> {
  for (const end = Date.now() + STOP_TIMEOUT_MS; Date.now() < end && (await listens(port)); )
    await sleep(POLL_MS);
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.stdin?.end();
  const timer = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS + 1_000);
  await ended;
  clearTimeout(timer);
}

/** The guard and the server are a process group of their own. */
function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
