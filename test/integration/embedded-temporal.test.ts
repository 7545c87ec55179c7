// `start` without a Temporal address: it brings up a server of its own, which ends with it, and sessions go on at the next
// start.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Child, startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { type RunningSimulators, startSimulators } from '../../harness/simulators.ts';
import { findTemporalCli } from '../../harness/temporal-binary.ts';
import { commands, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { connectTemporal } from '../../src/clients/temporal.ts';
import { runningServer } from '../../src/config/running-server.ts';
import { projectPath } from '../../src/paths.ts';
import { DEFINITION } from '../../template/definition.ts';
import { sessionWorkflowId } from '../../workflows/messages.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let dir: string;
let data: string;
let simulators: RunningSimulators;
let anthropic: Anthropic;
let env: Record<string, string>;
const started: Child[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'embedded-'));
  data = join(dir, 'data');
  mkdirSync(join(dir, 'cwd'));
  const webhookPort = await freePort();
  simulators = await startSimulators({
    stateDir: dir,
    logDir: join(dir, 'logs'),
    cwd: join(dir, 'cwd'),
    webhook: `http://127.0.0.1:${webhookPort}/webhook`,
    switches: ['model-delay-ms=0'],
  });
  const { anthropic: service, e2b } = simulators.connection;
  anthropic = new Anthropic({ apiKey: service.apiKey, baseURL: service.url });
  env = {
    // Temporal's profile file is looked for below it.
    HOME: dir,
    ANTHROPIC_BASE_URL: service.url,
    ANTHROPIC_ENVIRONMENT_ID: service.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: service.environmentKey,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: service.webhookSigningKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
    E2B_TEMPLATE: DEFINITION.name,
    WEBHOOK_PORT: String(webhookPort),
    WORKER_SHUTDOWN_GRACE_SECONDS: '1',
    SESSION_GRACE_SECONDS: '1',
    ROUTER_DATA_FOLDER: data,
    TEMPORAL_CLI: await findTemporalCli(),
  };
});
afterAll(async () => {
  for (const child of started) await child.stop();
  await simulators?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(more: Record<string, string> = {}): Promise<Child> {
  const name = `start-${started.length + 1}`;
  const child = await startChild(name, [projectPath('src/main.ts'), 'start'], {
    env: { ...env, ...more },
    cwd: join(dir, 'cwd'),
    logFile: join(dir, 'logs', `${name}.log`),
  });
  started.push(child);
  await until('the worker runs', async () => logOf(child).includes('worker of '));
  return child;
}
const logOf = (child: Child) => readFileSync(child.logFile, 'utf8');
const server = () => until('the server is recorded', async () => runningServer(data));
/** Processes of the server with this data folder. */
const serverProcesses = () =>
  execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(join(data, 'temporal.db')));
const ended = () => until('no process of the server is left', async () => serverProcesses().length === 0);

async function runOf(sessionId: string) {
  const { address, namespace } = await server();
  const { connection, client } = await connectTemporal({ connectionOptions: { address }, namespace });
  try {
    const { runId, status } = await client.workflow.getHandle(sessionWorkflowId(sessionId)).describe();
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    return { runId, status: status.name, retention: Number(config?.workflowExecutionRetentionTtl?.seconds) };
  } finally {
    await connection.close();
  }
}

it('sessions survive stop and start, and a killed router', async () => {
  const { agentId: agent, environmentId: environment_id } = simulators.connection.anthropic;
  const first = await start();
  const { address, uiUrl } = await server();
  expect(first.firstLine).toBe(`embedded Temporal ${address}, data in ${data}`);
  expect(logOf(first)).toContain(`UI: ${uiUrl}`);
  expect((await fetch(uiUrl)).status).toBe(200);

  const { id } = await anthropic.beta.sessions.create({ agent, environment_id });
  await takeTurn(anthropic, id, commands('echo one > kept'));
  const before = await runOf(id);
  expect(before).toMatchObject({ status: 'RUNNING', retention: 7 * 86_400 });

  await expect(start({ WEBHOOK_PORT: '0' })).rejects.toThrow(
    `Another router runs on the data folder ${data}`,
  );
  expect(await runOf(id)).toEqual(before);

  await first.stop();
  expect(serverProcesses()).toEqual([]);
  expect(runningServer(data)).toBeUndefined();

  const second = await start();
  expect(await runOf(id)).toEqual(before);
  const { events } = await takeTurn(anthropic, id, commands('cat kept; echo two >> kept'));
  expect(JSON.stringify(events)).toContain('one');

  await second.kill();
  await ended();
  const third = await start();
  expect(await runOf(id)).toEqual(before);
  const again = await takeTurn(anthropic, id, commands('cat kept'));
  expect(JSON.stringify(again.events)).toContain('one\\ntwo');
  await third.stop();
});

it('the end of the server ends the router, with the reason', async () => {
  const router = await start();
  const { pid } = await server();
  process.kill(-pid, 'SIGKILL');
  await until('the router has ended', async () => !router.running());
  expect(logOf(router)).toContain('the embedded Temporal server has ended: it ended with SIGKILL');
  expect(logOf(router)).toContain(join(data, 'temporal.log'));
});

it('a port that is set and in use is refused', async () => {
  const { port } = new URL(simulators.connection.e2b.url);
  await expect(start({ ROUTER_EMBEDDED_TEMPORAL_PORT: port })).rejects.toThrow(
    `Port ${port} of the embedded Temporal server is in use: set ROUTER_EMBEDDED_TEMPORAL_PORT`,
  );
  expect(serverProcesses()).toEqual([]);
});
