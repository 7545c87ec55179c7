// The router as it runs inside its own E2B sandbox, as processes of this machine that can be paused together: its supervisor
// with webhook server, worker and Temporal server. What comes from outside passes the edge, which wakes a paused router.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type Anthropic from '@anthropic-ai/sdk';
import type { Sandbox } from 'e2b';
import { layoutIn } from '../src/inside-e2b/layout.ts';
import { projectPath } from '../src/paths.ts';
import { type Delivery, startEdge } from './edge.ts';
import { freePort } from './free-port.ts';
import { shiftGoClock } from './go-clock.ts';
import { processesBelow, sendSignal } from './process-tree.ts';
import { serviceClients } from './service-clients.ts';
import { type Admin, type Simulators, startSimulators } from './simulators.ts';
import { type Cut, startTcpProxy } from './tcp-proxy.ts';
import { findTemporalCli } from './temporal-binary.ts';
import { until } from './until.ts';

export interface RouterInside {
  simulators: Simulators;
  /** The SDKs of a person outside: their connections are not the router's. */
  anthropic: Anthropic;
  Sandbox: typeof Sandbox;
  admin: Admin;
  /** What has come from outside, oldest first. */
  deliveries: readonly Delivery[];
  start(): Promise<void>;
  /** Kills every process with SIGKILL. */
  kill(): Promise<void>;
  /** Stops the worker alone: nothing that is accepted from now on is processed before the pause. */
  holdWorker(): void;
  /** Stops every process, then cuts its connections to the outside. */
  pause(cut: Cut): void;
  /** From now on the next delivery ends the pause; before, deliveries in the pause are refused. */
  wakeOnDelivery(): void;
  isPaused(): boolean;
  /** Copies the database as it is now, as a snapshot of the paused router has it. */
  keepData(): void;
  /** Puts the copy in the place of the database of a router that was killed. */
  restoreData(): void;
  /**
   * Moves the wall clocks of the paused router, with its Temporal server, and of the simulators forward. Their monotonic
   * clocks go on as they were. The clock of the sandboxes' own processes is not moved.
   */
  shiftClock(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface RouterInsideOptions {
  /** Folder for everything. */
  folder: string;
  graceSeconds: number;
  /** Whether `shiftClock` can be called. */
  shiftableClock?: boolean;
}

const START_WITHIN_MS = 120_000;

export async function startRouterInside(options: RouterInsideOptions): Promise<RouterInside> {
  const { folder, graceSeconds, shiftableClock = false } = options;
  const layout = layoutIn(join(folder, 'router'), { webhook: await freePort(), temporal: await freePort() });
  const kept = join(folder, 'kept');
  const offset = join(folder, 'clock-offset-ms');
  const preload = shiftableClock ? ['--import', writePreload(folder, offset)] : [];
  writeFileSync(offset, '0');
  for (const each of [layout.config, layout.data, join(layout.current, 'bin')])
    mkdirSync(each, { recursive: true, mode: 0o700 });
  symlinkSync(await findTemporalCli(), join(layout.current, 'bin/temporal'));

  let paused = false;
  let wakes = false;
  let root: ReturnType<typeof spawn> | undefined;
  const processes = () => (root?.pid === undefined ? [] : processesBelow(root.pid));
  const resume = () => {
    paused = false;
    wakes = false;
    for (const { pid } of processes()) sendSignal(pid, 'SIGCONT');
  };
  const edge = await startEdge(layout.ports.webhook, () => {
    if (!paused) return true;
    if (!wakes) return false;
    resume();
    return true;
  });
  const running = await startSimulators({
    stateDir: folder,
    logDir: join(folder, 'logs'),
    cwd: folder,
    webhook: edge.url,
    // Nothing happens to a session before its first message.
    switches: ['work-item-at=message'],
    ...(preload.length ? { env: { NODE_OPTIONS: preload.join(' ') } } : {}),
  });
  const { connection: simulators, admin } = running;
  const managed = await startTcpProxy(simulators.anthropic.url);
  const e2b = await startTcpProxy(simulators.e2b.url);
  const files = {
    'anthropic-base-url': managed.url,
    'anthropic-environment-id': simulators.anthropic.environmentId,
    'anthropic-environment-key': simulators.anthropic.environmentKey,
    'anthropic-webhook-signing-key': simulators.anthropic.webhookSigningKey,
    'e2b-api-key': simulators.e2b.apiKey,
    'e2b-api-url': e2b.url,
    'e2b-sandbox-url': e2b.url,
    'session-grace-seconds': String(graceSeconds),
    'worker-shutdown-grace-seconds': '2',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(layout.config, name), content);

  const start = async () => {
    const program = [...preload, projectPath('src/main.ts'), 'inside-e2b', '--folder', dirname(layout.data)];
    const { webhook, temporal } = layout.ports;
    const ports = ['--port', String(webhook), '--temporal-port', String(temporal)];
    root = spawn(process.execPath, [...program, ...ports], {
      env: { PATH: process.env.PATH, HOME: folder },
      stdio: 'ignore',
    });
    const { pid } = root;
    await until('the router serves', async () => serves(layout.state, pid), START_WITHIN_MS);
  };
  const kill = async () => {
    const ended = root && root.exitCode === null && root.signalCode === null && once(root, 'exit');
    const all = processes();
    for (const { pid } of all) sendSignal(pid, 'SIGKILL');
    await ended;
    await until('its processes have ended', async () =>
      all.every(({ pid }) => !existsSync(`/proc/${pid}/exe`)),
    );
  };
  return {
    simulators,
    ...serviceClients(simulators),
    admin,
    deliveries: edge.deliveries,
    start,
    kill,
    holdWorker: () => {
      for (const { pid, args } of processes()) if (args.at(-1) === 'worker') sendSignal(pid, 'SIGSTOP');
    },
    pause: (cut) => {
      paused = true;
      for (const { pid } of processes()) sendSignal(pid, 'SIGSTOP');
      managed.cut(cut);
      e2b.cut(cut);
    },
    wakeOnDelivery: () => {
      wakes = true;
    },
    isPaused: () => paused,
    keepData: () => {
      for (const { pid } of processes()) sendSignal(pid, 'SIGSTOP');
      cpSync(layout.data, kept, { recursive: true });
      for (const { pid } of processes()) sendSignal(pid, 'SIGCONT');
    },
    restoreData: () => {
      rmSync(layout.data, { recursive: true });
      cpSync(kept, layout.data, { recursive: true });
    },
    shiftClock: async (ms) => {
      if (!paused || !shiftableClock)
        throw new Error('only the clock of a paused router, started for it, is moved');
      writeFileSync(offset, String(ms));
      for (const { pid, args } of processes()) if (args[2] === 'start-dev') shiftGoClock(pid, ms);
      // They look at their timers again.
      for (const name of ['anthropic', 'e2b'] as const) await admin(name, 'POST', 'clock', { advanceMs: 0 });
    },
    close: async () => {
      await kill();
      await running.stop();
      for (const each of [edge, managed, e2b]) each.close();
    },
  };
}

function serves(file: string, pid: number | undefined): boolean {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8'));
    return state.pid === pid && state.webhook === 'runs' && state.worker === 'runs';
  } catch {
    // It is being written, or not there yet.
    return false;
  }
}

/** @returns URL of a module that moves `Date` forward by the milliseconds in the file */
function writePreload(folder: string, offset: string): string {
  const path = join(folder, 'shifted-clock.mjs');
  const shifted = readFileSync(projectPath('harness/shifted-clock.mjs'), 'utf8');
  writeFileSync(path, shifted.replace("'OFFSET_FILE'", JSON.stringify(offset)));
  return `file://${path}`;
}
