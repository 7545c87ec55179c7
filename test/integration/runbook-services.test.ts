// Troubles with the services and with Temporal, each produced, and the command of its entry in docs/runbook.md.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { openSession, sendMessage } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { bash, clientOf, script } from '../../simulators/test/managed-agents.ts';
import { projectPath } from '../../src/paths.ts';
import { namesOf, SESSION_WORKFLOW, statusQuery } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { type RunbookWorld, startRunbookWorld } from '../runbook-world.ts';
import { newNamespace } from '../temporal-namespace.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 150_000 });

const NEVER = { wait_for_file: '/nowhere/never' };
/** Beyond this many events a workflow continues as new: workflows/renewal.ts. */
const HISTORY_BUDGET = 800;

let world: RunbookWorld;
beforeAll(async () => {
  quietTemporal();
  world = await startRunbookWorld('services', {
    refused: {},
    slots: { maxRunningSandboxes: 1 },
    stranger: null,
    pinned: null,
    encrypted: null,
  });
});
afterAll(() => world?.close());

/** Settings of a worker, or a command, that has one environment in a deployment of its own. */
const alone = (name: string, more: Record<string, string> = {}) => ({
  ROUTER_CONFIG_FILE: '',
  ROUTER_DEPLOYMENT: `${world.temporalOnly.ROUTER_DEPLOYMENT}-${name}`,
  ANTHROPIC_ENVIRONMENT_ID: world.environments[name] ?? '',
  ANTHROPIC_ENVIRONMENT_KEY: world.keys[name] ?? '',
  ...more,
});
const services = () => ({
  ANTHROPIC_BASE_URL: world.simulators.anthropic.url,
  E2B_API_KEY: world.simulators.e2b.apiKey,
  E2B_API_URL: world.simulators.e2b.url,
  E2B_SANDBOX_URL: world.simulators.e2b.url,
});
const handleIn = (deployment: string, id: string) =>
  world.temporal.client.workflow.getHandle(namesOf(deployment).sessionWorkflowId(id));
const untilRuns = (deployment: string, id: string) =>
  until(
    `a call of ${id} runs`,
    async () => {
      const status = await handleIn(deployment, id)
        .query(statusQuery)
        .catch(() => null);
      return status?.openCalls.some(({ state }) => state === 'running');
    },
    90_000,
  );

it('a queue that nobody serves', async () => {
  const env = { ...alone('stranger'), ...services() };
  await openSession(world, world.environments.stranger);
  await world.entry('workers-polling', env);
  await world.entry('queued', env);
  const client = clientOf(world.simulators.anthropic.url, world.keys.stranger as string);
  await client.beta.environments.work.poll(world.environments.stranger as string, {});
  await world.entry('pending', env);
});

it('keys, limits, custom tools, workflow runs', async () => {
  const refused = await world.open(script([bash('sleep 300')]), world.environments.refused);
  const limited = await world.open(script([bash('sleep 4')], NEVER));
  const slot = await world.open(script([bash('sleep 300')]), world.environments.slots);
  await Promise.all([refused, limited, slot].map((id) => world.running(id)));
  await world.fault('anthropic', { route: 'events.send', kind: 'status', status: 429, match: limited });
  const path = `environments/${world.environments.refused}/keys/${world.keys.refused}`;
  await world.admin('anthropic', 'DELETE', path);
  await world.entry('slots', { ID: await world.open(script([bash('true')]), world.environments.slots) });
  await world.entry('environment-key', { ID: refused });
  await world.entry('rate-limit', { ID: limited });

  const { agentId, environmentId } = world.simulators.anthropic;
  const tools = [
    {
      type: 'custom' as const,
      name: 'ask_sales',
      description: 'Asks.',
      input_schema: { type: 'object' as const },
    },
  ];
  const agent = await world.anthropic.beta.agents.create({ name: 'asks', model: 'claude-sonnet-5', tools });
  const asks = await world.anthropic.beta.sessions.create({ agent: agent.id, environment_id: environmentId });
  await sendMessage(world.anthropic, asks.id, script([{ name: 'ask_sales', input: {} }]));
  await world.entry('custom-tool', { ID: asks.id });

  const threads = [{ name: 'a', steps: [bash('sleep 300')] }];
  await world.entry('open-run', { ID: await world.open(script({ threads, workflow_run: true })) });

  await world.admin('anthropic', 'PATCH', 'switches', { 'work-secret': 'off' });
  const store = await world.anthropic.beta.memoryStores.create({ name: 'notes' } as never);
  const { id: ID } = await world.anthropic.beta.sessions.create({
    agent: agentId,
    environment_id: environmentId,
    resources: [{ type: 'memory_store', memory_store_id: store.id, access: 'read_write' }],
  });
  await sendMessage(world.anthropic, ID, script([bash('true')], NEVER));
  await world.entry('memory-token', { ID });
  await world.admin('anthropic', 'PATCH', 'switches', { 'work-secret': 'on' });
});

it('a build that has no worker, a build that is not current', async () => {
  const env = alone('pinned');
  const deployment = env.ROUTER_DEPLOYMENT;
  const setCurrent = (buildId: string) =>
    until(`${buildId} is current`, () =>
      world.temporal.connection.workflowService
        .setWorkerDeploymentCurrentVersion({
          namespace: 'default',
          deploymentName: deployment,
          buildId,
          identity: 'test',
        })
        .then(
          () => true,
          () => false,
        ),
    );
  const worker = await world.addWorker({ ...env, WORKER_BUILD_ID: 'one' });
  await world.entry('current-version', { ...env, ...services() });
  await setCurrent('one');
  const ID = await world.open(script([bash('sleep 300')]), world.environments.pinned);
  await untilRuns(deployment, ID);
  await worker.kill();
  const next = await world.addWorker({ ...env, WORKER_BUILD_ID: 'two' });
  await setCurrent('two');
  const webhook = { eventId: 'whe_1', type: 'session.status_run_started' };
  await handleIn(deployment, ID).signal('webhookReceived', webhook);
  await world.entry('worker-version', { ...env, ID });
  await next.stop();
});

it('a history of another build', async () => {
  const env = alone('other-build');
  const deployment = env.ROUTER_DEPLOYMENT;
  const connection = await NativeConnection.connect({
    address: world.temporalOnly.TEMPORAL_ADDRESS as string,
  });
  const other = await Worker.create({
    connection,
    taskQueue: namesOf(deployment).taskQueue,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: projectPath('test/fixtures/other-build/workflows.ts'),
      logger: new DefaultLogger('ERROR'),
    }),
  });
  const handle = handleIn(deployment, 'sesn_other_build');
  await other.runUntil(async () => {
    const { workflowId } = handle;
    const { taskQueue } = namesOf(deployment);
    await world.temporal.client.workflow.start(SESSION_WORKFLOW, { workflowId, taskQueue, args: [] });
    await until('its timer is started', async () =>
      (await handle.fetchHistory()).events?.some((event) => event.timerStartedEventAttributes),
    );
  });
  await connection.close();
  const worker = await world.addWorker({ ...alone('pinned'), ROUTER_DEPLOYMENT: deployment });
  await handle.signal('webhookReceived', { eventId: 'whe_1', type: 'session.status_run_started' });
  await world.entry('non-determinism', { ...env, ID: 'sesn_other_build' });
  await handle.terminate();
  await worker.stop();
});

it('a lost encryption key', async () => {
  const TEMPORAL_ENCRYPTION_KEY_FOLDER = join(world.dir, 'keys');
  mkdirSync(TEMPORAL_ENCRYPTION_KEY_FOLDER);
  const key = join(TEMPORAL_ENCRYPTION_KEY_FOLDER, 'a.key');
  writeFileSync(key, randomBytes(32).toString('base64'));
  // A folder without any key would keep the next worker from starting.
  writeFileSync(join(TEMPORAL_ENCRYPTION_KEY_FOLDER, 'b.key'), randomBytes(32).toString('base64'));
  const env = alone('encrypted', { TEMPORAL_ENCRYPTION_KEY_FOLDER });
  const worker = await world.addWorker({ ...env, TEMPORAL_ENCRYPTION_KEY_ID: 'a' });
  const ID = await world.open(script([bash('sleep 300')]), world.environments.encrypted);
  await until(
    'the session has begun',
    async () =>
      (
        await handleIn(env.ROUTER_DEPLOYMENT, ID)
          .describe()
          .catch(() => null)
      )?.status.name === 'RUNNING',
  );
  await worker.kill();
  rmSync(key);
  await world.addWorker(env);
  const webhook = { eventId: 'whe_1', type: 'session.status_run_started' };
  await handleIn(env.ROUTER_DEPLOYMENT, ID).signal('webhookReceived', webhook);
  await world.entry('workflow-task', { ...env, ID });
  await world.entry('encryption-key', { ...env, ID });
});

it('no worker, and a history that grows meanwhile', async () => {
  const env = alone('idle');
  const { taskQueue } = namesOf(env.ROUTER_DEPLOYMENT);
  const handle = handleIn(env.ROUTER_DEPLOYMENT, 'sesn_waits');
  const { workflowId } = handle;
  await world.temporal.client.workflow.start(SESSION_WORKFLOW, { workflowId, taskQueue, args: [] });
  for (let sent = 0; sent <= HISTORY_BUDGET; sent += 50)
    await Promise.all(Array.from({ length: 50 }, () => handle.signal('flood')));
  await world.entry('no-worker', { ...env, ID: 'sesn_waits' });
  const { text } = await world.entry('history-size', { ...env, ID: 'sesn_waits' });
  expect(Number(/ (\d+) events/.exec(text)?.[1])).toBeGreaterThan(HISTORY_BUDGET);
  await handle.terminate();
});

it('missing search attributes', async () => {
  const { config, close } = await newNamespace();
  await world.entry('search-attributes', { ...services(), TEMPORAL_NAMESPACE: config.namespace });
  await close();
});

it('a webhook that the Console has disabled', async () => {
  const redirect = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(302, { location: '/elsewhere' }).end());
  });
  await new Promise<void>((resolve) => void redirect.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(redirect.address() as AddressInfo).port}/webhook`;
  type Webhooks = { data: { id: string; disabled?: unknown; disabled_reason?: unknown }[] };
  const port = await freePort();
  await world.addWebhook(port);
  const listed = (await world.admin('anthropic', 'GET', 'webhooks')) as Webhooks | Webhooks['data'];
  const [webhook] = Array.isArray(listed) ? listed : listed.data;
  await world.admin('anthropic', 'PATCH', `webhooks/${webhook?.id}`, { url });
  await world.open(script([bash('true')]));
  await until('the endpoint is disabled', async () =>
    /redirect/i.test(JSON.stringify(await world.admin('anthropic', 'GET', 'webhooks'))),
  );
  await world.entry('endpoint-disabled', { WEBHOOK: `http://127.0.0.1:${port}` });
  redirect.close();
});
