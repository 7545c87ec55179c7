// A world: a complete local installation of the router with everything it talks to. It has a Temporal server, both
// simulators, a webhook server and workers, each a process of its own. Demo, integration tests and benchmarks use it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type Anthropic from '@anthropic-ai/sdk';
import type { Sandbox } from 'e2b';
import { connectTemporal, type Temporal } from '../src/clients/temporal.ts';
import { projectPath } from '../src/paths.ts';
import { DEFINITION } from '../template/definition.ts';
import { type DeploymentNames, namesOf } from '../workflows/messages.ts';
import { type Child, startChild } from './child.ts';
import { freePort } from './free-port.ts';
import { serviceClients } from './service-clients.ts';
import { type Admin, type SimulatorName, type Simulators, startSimulators } from './simulators.ts';
import { startTemporal, type TemporalServer, type TemporalServerOptions } from './temporal-server.ts';

export type { Simulators } from './simulators.ts';

export interface WorldOptions {
  /** Folder for state and logs. */
  stateDir: string;
  /** Switches of the simulators, `name=value`. */
  switches?: string[];
  /** Each simulator in a process of its own. */
  separateSimulators?: boolean;
  workers?: number;
  /** Where the simulator sends its webhooks; default: the webhook server. */
  webhookUrl?: string;
  /** How long a session stays hot, in seconds. */
  graceSeconds?: number;
  retentionHours?: number;
  /** Makes further settings of the router, after the simulators and before the router have started. */
  settings?(simulators: Simulators, admin: Admin): Promise<Record<string, string>>;
  /** Whether Temporal's UI runs too. */
  ui?: boolean;
  /** A Temporal server that is running already, and its namespace if that is not `default`; default: starts one. */
  temporal?: { address: string; namespace?: string; uiUrl?: string };
  /** Name of the router's deployment, if it is not the usual one. */
  deployment?: string;
  /** Called with a description of each part that has started. */
  onStarted?(what: string): void;
}

export interface World {
  simulators: Simulators;
  /** The unmodified SDK with the organisation's API key. */
  anthropic: Anthropic;
  Sandbox: typeof Sandbox;
  temporal: Temporal;
  namespace: string;
  /** Of the deployment's workflows. */
  names: DeploymentNames;
  webhookUrl: string;
  /** Address of Temporal's UI, if it runs. */
  uiUrl: string | undefined;
  logDir: string;
  /** The first webhook server. */
  webhook: Child;
  workers: Child[];
  /** Starts one more worker; `settings` override its usual settings. */
  addWorker(settings?: Record<string, string>): Promise<Child>;
  /** Starts one more webhook server, on this port. */
  addWebhook(port: number): Promise<Child>;
  /** Kills the simulators (or one of separate simulators) with SIGKILL, and starts them with the same state and ports. */
  restartSimulators(of?: SimulatorName): Promise<void>;
  /** Kills the Temporal server of this world with SIGKILL. */
  stopTemporal(): Promise<void>;
  /** Kills the Temporal server of this world with SIGKILL, and starts it again with the same database. */
  restartTemporal(): Promise<void>;
  admin: Admin;
  close(): Promise<void>;
}

const PROGRAM = projectPath('src/main.ts');

export async function startWorld(options: WorldOptions): Promise<World> {
  const { stateDir, onStarted = () => undefined } = options;
  const logDir = join(stateDir, 'logs');
  const cwd = join(stateDir, 'cwd');
  const namespace = options.temporal?.namespace ?? 'default';
  mkdirSync(logDir, { recursive: true });
  mkdirSync(cwd, { recursive: true });
  const ending: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let end = ending.pop(); end; end = ending.pop()) await end().catch(() => undefined);
  };
  try {
    let server = options.temporal ?? (await startTemporal(databaseOf(options, logDir)));
    if (!options.temporal) ending.push(() => (server as TemporalServer).close());
    onStarted(`Temporal ${server.address}`);

    const webhookPort = await freePort();
    const webhookUrl = `http://127.0.0.1:${webhookPort}`;
    const running = await startSimulators({
      stateDir,
      logDir,
      cwd,
      webhook: options.webhookUrl ?? `${webhookUrl}/webhook`,
      switches: options.switches ?? [],
      separate: options.separateSimulators ?? false,
    });
    ending.push(() => running.stop());
    const { connection: simulators, admin } = running;
    onStarted(`simulators of Managed Agents ${simulators.anthropic.url} and E2B ${simulators.e2b.url}`);

    const env = {
      ...settings(options, simulators, server.address),
      ...(await options.settings?.(simulators, admin)),
    };
    const run = async (name: string, command: string, more: Record<string, string> = {}) => {
      const logFile = join(logDir, `${name}.log`);
      const child = startChild(name, [PROGRAM, command], { env: { ...env, ...more }, cwd, logFile });
      // Registered before it has started: closing the world meanwhile must stop it, too.
      ending.push(async () => (await child).stop());
      return child;
    };
    const workers: Child[] = [];
    const addWorker = async (more: Record<string, string> = {}) => {
      const worker = await run(`worker-${workers.length + 1}`, 'worker', more);
      workers.push(worker);
      return worker;
    };
    for (let count = options.workers ?? 1; count > 0; count -= 1) {
      onStarted(`worker ${(await addWorker()).pid}`);
    }
    let webhooks = 0;
    const addWebhook = (port: number) => {
      webhooks += 1;
      const name = webhooks === 1 ? 'webhook' : `webhook-${webhooks}`;
      return run(name, 'webhook', { WEBHOOK_PORT: String(port) });
    };
    const webhook = await addWebhook(webhookPort);
    onStarted(`webhook server ${webhookUrl}/webhook`);

    const temporal = await connectTemporal({
      connectionOptions: { address: server.address },
      namespace,
    });
    ending.push(() => temporal.connection.close());

    const killTemporal = async () => {
      if (options.temporal) throw new Error('this world has not started its Temporal server');
      await (server as TemporalServer).kill();
    };
    return {
      simulators,
      ...serviceClients(simulators),
      temporal,
      namespace,
      names: namesOf(options.deployment),
      webhookUrl,
      uiUrl: server.uiUrl,
      logDir,
      webhook,
      workers,
      addWorker,
      addWebhook,
      restartSimulators: running.restart,
      stopTemporal: killTemporal,
      restartTemporal: async () => {
        await killTemporal();
        const { port } = new URL(`http://${server.address}`);
        server = await startTemporal({ ...databaseOf(options, logDir), port: Number(port) });
      },
      admin,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function databaseOf({ stateDir, ui }: WorldOptions, logDir: string): TemporalServerOptions {
  return {
    logFile: join(logDir, 'temporal.log'),
    dbFile: join(stateDir, 'temporal.db'),
    ...(ui ? { uiPort: 0 } : {}),
  };
}

/** The router's settings: those of a `.env` file with real keys, and the three base URLs of the simulators. */
function settings(
  options: WorldOptions,
  { anthropic, e2b }: Simulators,
  temporalAddress: string,
): Record<string, string> {
  return {
    ANTHROPIC_BASE_URL: anthropic.url,
    ANTHROPIC_ENVIRONMENT_ID: anthropic.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: anthropic.environmentKey,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: anthropic.webhookSigningKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
    E2B_TEMPLATE: DEFINITION.name,
    TEMPORAL_ADDRESS: temporalAddress,
    ...(options.deployment ? { ROUTER_DEPLOYMENT: options.deployment } : {}),
    TEMPORAL_NAMESPACE: options.temporal?.namespace ?? 'default',
    WEBHOOK_HOST: '127.0.0.1',
    SESSION_GRACE_SECONDS: String(options.graceSeconds ?? 30),
    SESSION_RETENTION_HOURS: String(options.retentionHours ?? 24),
    WORKER_SHUTDOWN_GRACE_SECONDS: '2',
  };
}
