// What the tests of `deploy e2b` need: both simulators, a folder with the settings of a person, this router as a package.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { E2B, type Sandbox } from 'e2b';
import { packRouter } from '../../harness/pack-router.ts';
import { type RunningSimulators, startSimulators } from '../../harness/simulators.ts';
import { type Ended, type Running, run } from './setup-world.ts';

/** Folder of the keys in the router's sandbox. */
export const CONFIG = '/opt/managed-agents-router/config';

export interface DeployedWorld {
  folder: string;
  /** This router as `npm pack` makes it. */
  packed: string;
  simulators: RunningSimulators;
  anthropic: Anthropic;
  Sandbox: typeof Sandbox;
  /** One of our commands, in the folder; `more` are variables of the shell. */
  command(args: string[], more?: Record<string, string>): Promise<Ended>;
  /** The same, not waited for. */
  start(args: string[], more?: Record<string, string>): Running;
  /** `deploy e2b`, with JSON, without questions, from the package. */
  deploy(): Promise<Ended>;
  /** What `deploy e2b status` says. */
  status(): Promise<Record<string, unknown> & { problems: string[]; warnings: string[]; webhookUrl: string }>;
  /** A request to a port of a sandbox, as it comes from the internet. */
  ask(id: string, port: number, path: string, init?: RequestInit): Promise<Response>;
  health(id: string): Promise<unknown>;
  /** What the Console does. @returns the signing key */
  register(url: string): Promise<string>;
  newSession(): Promise<string>;
  connect(id: string): Promise<Sandbox>;
  close(): Promise<void>;
}

export async function startDeployedWorld(): Promise<DeployedWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'deploy-e2b-'));
  const packed = await packRouter(folder);
  const simulators = await startSimulators({
    stateDir: folder,
    logDir: folder,
    cwd: folder,
    webhook: 'http://127.0.0.1:1/webhook',
    // Local sandboxes have no network to install packages from; the router's own packages are in the archive.
    switches: ['template-packages=skip'],
  });
  const { anthropic: managed, e2b } = simulators.connection;
  const settings = {
    ANTHROPIC_BASE_URL: managed.url,
    ANTHROPIC_ENVIRONMENT_ID: managed.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: managed.environmentKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
    SESSION_GRACE_SECONDS: '1',
    RECONCILE_SECONDS: '5',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, '.env'), lines.join(''));
  const anthropic = new Anthropic({ apiKey: managed.apiKey, baseURL: managed.url });
  const client = new E2B({ apiKey: e2b.apiKey, apiUrl: e2b.url, sandboxUrl: e2b.url });
  // What npm has fetched is kept for other runs.
  const start = (args: string[], more?: Record<string, string>) =>
    run(folder, args, { HOME: homedir(), ...more });
  const command: DeployedWorld['command'] = (args, more) => start(args, more).ended;
  const ask: DeployedWorld['ask'] = (id, port, path, init = {}) =>
    fetch(`${e2b.url}${path}`, {
      ...init,
      headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(port), ...init.headers },
      signal: AbortSignal.timeout(10_000),
    });
  return {
    folder,
    packed,
    simulators,
    anthropic,
    Sandbox: client.Sandbox,
    command,
    start,
    deploy: () => command(['--json', 'deploy', 'e2b', '--yes', '--package', packed]),
    status: async () => JSON.parse((await command(['--json', 'deploy', 'e2b', 'status'])).stdout),
    ask,
    health: async (id) => (await ask(id, 8000, '/health')).json(),
    register: async (url) => {
      const answer = await simulators.admin('anthropic', 'POST', 'webhooks', { url });
      return (answer as { secret: string }).secret;
    },
    newSession: async () => {
      const { agentId: agent, environmentId: environment_id } = managed;
      return (await anthropic.beta.sessions.create({ agent, environment_id })).id;
    },
    connect: (id) => client.Sandbox.connect(id, { timeoutMs: 300_000 }),
    close: async () => {
      await simulators.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
