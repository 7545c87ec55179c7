// Everything the router lives among, on this machine: a Temporal server, both stand-ins, the webhook server and
// workers, each a process of its own. The demo, the integration tests and the benchmarks run in such a world.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { E2B, type Sandbox } from 'e2b';
import { freePort, startTemporal, type TemporalServer } from '../scripts/temporal-server.ts';
import { connectTemporal, type Temporal } from '../src/clients/temporal.ts';
import { projectPath } from '../src/paths.ts';
import { DEFINITION } from '../template/definition.ts';
import { writeLocalTemplate } from '../template/manifest.ts';
import { type Child, startChild } from './child.ts';

export interface WorldOptions {
  /** Where state and logs lie. */
  stateDir: string;
  /** Switches of the stand-ins, `name=value`. */
  switches?: string[];
  workers?: number;
  /** How long a session stays hot, in seconds. */
  graceSeconds?: number;
  retentionHours?: number;
  /** More settings of the router, made when the stand-ins run and before the router starts. */
  settings?(standIns: StandIns, admin: World['admin']): Promise<Record<string, string>>;
  /** Whether Temporal's UI runs too. */
  ui?: boolean;
  /** A Temporal server that runs already; one of its own if not given. */
  temporal?: { address: string; uiUrl?: string };
  /** Told of each part when it runs. */
  onStarted?(what: string): void;
}

/** What the simulators print when they are ready. */
export interface StandIns {
  anthropic: {
    url: string;
    apiKey: string;
    environmentId: string;
    environmentKey: string;
    agentId: string;
    webhookSigningKey: string;
  };
  e2b: { url: string; apiKey: string };
  adminToken: string;
}

export interface World {
  standIns: StandIns;
  /** The unmodified SDK, as somebody who owns the organisation uses it. */
  anthropic: Anthropic;
  Sandbox: typeof Sandbox;
  temporal: Temporal;
  webhookUrl: string;
  /** Address of Temporal's UI, if it runs. */
  uiUrl: string | undefined;
  logDir: string;
  simulators: Child;
  webhook: Child;
  workers: Child[];
  /** Starts one more worker. */
  addWorker(): Promise<Child>;
  /** Ends the simulators with SIGKILL and starts them again on the same state and ports. */
  restartSimulators(): Promise<void>;
  /** A request to the admin interface of a stand-in, such as `POST faults`. */
  admin(of: 'anthropic' | 'e2b', method: string, path: string, body?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

const PROGRAM = projectPath('dist/src/main.js');
const SIMULATORS = projectPath('dist/simulators/main.js');

export async function startWorld(options: WorldOptions): Promise<World> {
  const { stateDir, onStarted = () => undefined } = options;
  const logDir = join(stateDir, 'logs');
  const cwd = join(stateDir, 'cwd');
  mkdirSync(logDir, { recursive: true });
  mkdirSync(cwd, { recursive: true });
  const ending: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of ending.splice(0).reverse()) await end().catch(() => undefined);
  };
  try {
    const server = options.temporal ?? (await ownTemporal(options, logDir, ending));
    onStarted(`Temporal ${server.address}`);

    const webhookPort = await freePort();
    const webhookUrl = `http://127.0.0.1:${webhookPort}`;
    const template = await writeLocalTemplate(join(stateDir, 'template'), projectPath('dist/toolhost.mjs'));
    const ports = { anthropic: await freePort(), e2b: await freePort() };
    const startSimulators = () =>
      startChild('simulators', simulatorArgs(options, ports, `${webhookUrl}/webhook`, template), {
        env: {},
        cwd,
        logFile: join(logDir, 'simulators.log'),
      });
    let simulators = await startSimulators();
    ending.push(() => simulators.stop());
    const standIns = JSON.parse(simulators.firstLine) as StandIns;
    onStarted(`stand-ins for Managed Agents ${standIns.anthropic.url} and E2B ${standIns.e2b.url}`);

    const admin: World['admin'] = (of, method, path, body) =>
      callAdmin(standIns[of].url, standIns.adminToken, method, path, body);
    const env = {
      ...settings(options, standIns, server, webhookPort),
      ...(await options.settings?.(standIns, admin)),
    };
    const run = (name: string, command: string) =>
      startChild(name, [PROGRAM, command], { env, cwd, logFile: join(logDir, `${name}.log`) });
    const workers: Child[] = [];
    const addWorker = async () => {
      const worker = await run(`worker-${workers.length + 1}`, 'worker');
      workers.push(worker);
      ending.push(() => worker.stop());
      return worker;
    };
    for (let count = options.workers ?? 1; count > 0; count -= 1) {
      onStarted(`worker ${(await addWorker()).pid}`);
    }
    const webhook = await run('webhook', 'webhook');
    ending.push(() => webhook.stop());
    onStarted(`webhook server ${webhookUrl}/webhook`);

    const temporal = await connectTemporal({
      connectionOptions: { address: server.address },
      namespace: 'default',
    });
    ending.push(() => temporal.connection.close());

    return {
      standIns,
      anthropic: new Anthropic({ apiKey: standIns.anthropic.apiKey, baseURL: standIns.anthropic.url }),
      Sandbox: new E2B({
        apiKey: standIns.e2b.apiKey,
        apiUrl: standIns.e2b.url,
        sandboxUrl: standIns.e2b.url,
      }).Sandbox,
      temporal,
      webhookUrl,
      uiUrl: server.uiUrl,
      logDir,
      get simulators() {
        return simulators;
      },
      webhook,
      workers,
      addWorker,
      restartSimulators: async () => {
        await simulators.kill();
        simulators = await startSimulators();
      },
      admin,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function ownTemporal(
  { stateDir, ui }: WorldOptions,
  logDir: string,
  ending: (() => Promise<void>)[],
): Promise<TemporalServer> {
  const server = await startTemporal({
    logFile: join(logDir, 'temporal.log'),
    dbFile: join(stateDir, 'temporal.db'),
    ...(ui ? { uiPort: 0 } : {}),
  });
  ending.push(() => server.close());
  return server;
}

function simulatorArgs(
  options: WorldOptions,
  ports: { anthropic: number; e2b: number },
  webhook: string,
  template: string,
): string[] {
  const args = [SIMULATORS, '--state', join(options.stateDir, 'simulators'), '--webhook', webhook];
  args.push('--anthropic-port', String(ports.anthropic), '--e2b-port', String(ports.e2b));
  args.push('--template', template);
  for (const one of options.switches ?? []) args.push('--set', one);
  return args;
}

/** The router's settings: what a person with real keys writes into `.env`, and the three base URLs. */
function settings(
  options: WorldOptions,
  { anthropic, e2b }: StandIns,
  server: { address: string },
  webhookPort: number,
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
    TEMPORAL_ADDRESS: server.address,
    TEMPORAL_NAMESPACE: 'default',
    WEBHOOK_HOST: '127.0.0.1',
    WEBHOOK_PORT: String(webhookPort),
    SESSION_GRACE_SECONDS: String(options.graceSeconds ?? 30),
    SESSION_RETENTION_HOURS: String(options.retentionHours ?? 24),
    WORKER_SHUTDOWN_GRACE_SECONDS: '2',
  };
}

async function callAdmin(
  origin: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`${origin}/_admin/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
