// The webhook server with a real Temporal server: what it starts and signals, and how it answers while Temporal is down.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { startTemporal } from '../../harness/temporal-server.ts';
import { lazyTemporal, type Temporal } from '../../src/clients/temporal.ts';
import { loadWebhookConfig, type WebhookConfig } from '../../src/config.ts';
import { type RunningWebhook, startWebhook } from '../../src/webhook/start.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';
import { startGrpcProxy } from './grpc-proxy.ts';
import { recordedLog } from './recorded-log.ts';
import { eventBody, newSigningKey, signed } from './signed-delivery.ts';

const RUN_STARTED = 'session.status_run_started';
const key = newSigningKey();

let namespace: TestNamespace;
let webhook: RunningWebhook | undefined;
let silences: string[] = [];

beforeAll(async () => {
  namespace = await newNamespace();
});
afterEach(async () => {
  await webhook?.close();
  webhook = undefined;
  silences = [];
});
afterAll(() => namespace.close());

function configFor(temporal: WebhookConfig['temporal']): WebhookConfig {
  const env = { ANTHROPIC_ENVIRONMENT_ID: 'env_1', ANTHROPIC_WEBHOOK_SIGNING_KEY: key, WEBHOOK_PORT: '0' };
  return { ...loadWebhookConfig(env), temporal };
}

async function start(config: WebhookConfig['temporal'], temporal: Temporal) {
  const { log, lines } = recordedLog();
  webhook = await startWebhook(configFor(config), temporal, log, {
    report: (reason) => void silences.push(reason),
  });
  return lines;
}

async function deliver(
  type: string,
  sessionId: string,
  id: string,
): Promise<{ status: number; reason: string }> {
  const { headers, payload } = signed(key, eventBody(type, id, sessionId), { id });
  const answer = await fetch(`${webhook?.url}/webhook`, {
    method: 'POST',
    headers,
    body: new Uint8Array(payload),
  });
  return { status: answer.status, reason: await answer.text() };
}

async function signalsOf(sessionId: string): Promise<unknown[]> {
  const { events } = await namespace.client.workflow.getHandle(`session-${sessionId}`).fetchHistory();
  const signals = (events ?? []).flatMap(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal ?? [],
  );
  return signals.map(({ input }) =>
    JSON.parse(Buffer.from(input?.payloads?.[0]?.data ?? []).toString('utf8')),
  );
}

it('starts the session workflow with its first signal, and is ready', async () => {
  const lines = await start(namespace.config, namespace);
  expect((await fetch(`${webhook?.url}/ready`)).status).toBe(200);
  expect((await deliver(RUN_STARTED, 'sesn_first', 'whe_1')).status).toBe(204);

  const workflow = await namespace.client.workflow.getHandle('session-sesn_first').describe();
  expect(workflow).toMatchObject({
    type: 'sessionWorkflow',
    status: { name: 'RUNNING' },
    taskQueue: 'managed-agents-router',
  });
  expect(workflow.searchAttributes).toEqual({ EnvironmentId: ['env_1'] });
  expect(await signalsOf('sesn_first')).toEqual([{ eventId: 'whe_1', type: RUN_STARTED }]);
  expect(JSON.stringify(lines())).not.toContain(key);
});

it('starts one workflow for concurrent, repeated and different deliveries of one session', async () => {
  await start(namespace.config, namespace);
  const ids = ['whe_1', 'whe_1', 'whe_2', 'whe_2', 'whe_3', 'whe_1', 'whe_4', 'whe_4'];
  const answers = await Promise.all(ids.map((id) => deliver(RUN_STARTED, 'sesn_many', id)));
  expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 204));
  expect(
    (await signalsOf('sesn_many')).map((signal) => (signal as { eventId: string }).eventId).sort(),
  ).toEqual(ids.sort());
});

it('starts the workflow of a known session anew where it has ended meanwhile', async () => {
  await start(namespace.config, namespace);
  const handle = namespace.client.workflow.getHandle('session-sesn_again');
  await deliver(RUN_STARTED, 'sesn_again', 'whe_1');
  expect((await deliver(RUN_STARTED, 'sesn_again', 'whe_2')).status).toBe(204);
  expect(await signalsOf('sesn_again')).toMatchObject([{ eventId: 'whe_1' }, { eventId: 'whe_2' }]);
  await handle.terminate();
  expect((await deliver(RUN_STARTED, 'sesn_again', 'whe_3')).status).toBe(204);
  expect((await handle.describe()).status.name).toBe('RUNNING');
  expect(await signalsOf('sesn_again')).toEqual([{ eventId: 'whe_3', type: RUN_STARTED }]);
});

it('tells an existing workflow that its session ended, but starts no workflow for that', async () => {
  await start(namespace.config, namespace);
  await deliver(RUN_STARTED, 'sesn_ended', 'whe_1');
  expect((await deliver('session.archived', 'sesn_ended', 'whe_2')).status).toBe(204);
  expect((await signalsOf('sesn_ended')).at(-1)).toEqual({ eventId: 'whe_2', change: 'archived' });

  expect((await deliver('session.archived', 'sesn_unknown', 'whe_3')).status).toBe(204);
  expect((await deliver('session.status_idled', 'sesn_unknown', 'whe_4')).status).toBe(204);
  await expect(namespace.client.workflow.getHandle('session-sesn_unknown').describe()).rejects.toThrow(
    WorkflowNotFoundError,
  );
});

it('answers 503 while Temporal is down, and 204 once it is back', async () => {
  const port = await freePort();
  const config = { connectionOptions: { address: `127.0.0.1:${port}` }, namespace: 'default' };
  const temporal = lazyTemporal(config);
  await start(config, temporal);
  expect((await deliver(RUN_STARTED, 'sesn_late', 'whe_1')).status).toBe(503);
  expect(silences).not.toEqual([]);
  expect((await fetch(`${webhook?.url}/ready`)).status).toBe(503);
  expect((await fetch(`${webhook?.url}/health`)).status).toBe(200);

  const server = await startTemporal({ port });
  try {
    let { status } = await deliver(RUN_STARTED, 'sesn_late', 'whe_1');
    // Sends the delivery again, like the service.
    while (status === 503) ({ status } = await deliver(RUN_STARTED, 'sesn_late', 'whe_1'));
    expect(status).toBe(204);
    const { status: running } = await temporal.client.workflow.getHandle('session-sesn_late').describe();
    expect(running.name).toBe('RUNNING');
  } finally {
    await temporal.connection.close();
    await server.close();
  }
});

it('answers 503 at its deadline if Temporal accepts the connection and stays silent', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined))).listen(
    0,
    '127.0.0.1',
  );
  await once(silent, 'listening');
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const config = { connectionOptions: { address }, namespace: 'default' };
  const temporal = lazyTemporal(config);
  try {
    await start(config, temporal);
    const { status, reason } = await deliver(RUN_STARTED, 'sesn_1', 'whe_1');
    expect(status).toBe(503);
    expect(JSON.parse(reason).error.code).toBe('temporal_unavailable');
  } finally {
    await temporal.connection.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});

it.each(['refuse', 'silence'] as const)(
  'signals where Temporal does not say whether the session is watched, and does not repeat the question (%s)',
  async (answer) => {
    const { address } = namespace.config.connectionOptions;
    const proxy = await startGrpcProxy(address as string, 'DescribeWorkflowExecution', answer);
    const config = { ...namespace.config, connectionOptions: { address: proxy.address } };
    const temporal = lazyTemporal(config);
    try {
      await start(config, temporal);
      const id = `sesn_${answer}`;
      const deliveries: string[] = [];
      // It is not asked about a session that it has just signalled.
      while (proxy.calls() === 0) {
        deliveries.push(`whe_${deliveries.length}`);
        expect((await deliver(RUN_STARTED, id, deliveries.at(-1) as string)).status).toBe(204);
      }
      expect((await signalsOf(id)).map((signal) => (signal as { eventId: string }).eventId)).toEqual(
        deliveries,
      );
      expect(proxy.calls()).toBe(1);
      expect(silences).toEqual([]);
    } finally {
      await temporal.connection.close();
      await proxy.close();
    }
  },
);

it('answers 503 after drain()', async () => {
  await start(namespace.config, namespace);
  webhook?.drain();
  expect(JSON.parse((await deliver(RUN_STARTED, 'sesn_drained', 'whe_1')).reason).error.code).toBe(
    'shutting_down',
  );
  expect((await fetch(`${webhook?.url}/ready`)).status).toBe(503);
  await expect(namespace.client.workflow.getHandle('session-sesn_drained').describe()).rejects.toThrow(
    WorkflowNotFoundError,
  );
});
