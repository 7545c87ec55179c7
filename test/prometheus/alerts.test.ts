// Each alert is made to fire by a real fault of a running world, which a real Prometheus scrapes; none fires without one.
import { readFileSync } from 'node:fs';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { sandboxMetadata } from '../../activities/sandbox/prepare-sandbox.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { projectPath } from '../../src/paths.ts';
import { SESSION_WORKFLOW } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';
import { type Prometheus, RULES, startPrometheus } from './prometheus.ts';

const FIRES_WITHIN_MS = 120_000;

let world: World;
let prometheus: Prometheus;
const fired = new Set<string>();

beforeAll(async () => {
  world = await startTestWorld({
    workers: 2,
    graceSeconds: 2,
    settings: async () => ({
      ADMIN_PORT: '0',
      E2B_MAX_RUNNING_SANDBOXES: '4',
      RECONCILE_SECONDS: '3',
      SESSION_STUCK_MINUTES: '0.5',
      WORKER_MAX_TOOL_CALLS: '2',
    }),
  });
  prometheus = await startPrometheus(await targets());
});
afterAll(async () => {
  await prometheus?.close();
  await world?.close();
});

async function targets(): Promise<string[]> {
  return Promise.all(
    [...world.workers, world.webhook]
      .filter((child) => child.running())
      .map(async ({ logFile, name }) =>
        until(
          `${name} prints its address`,
          async () => /metrics http:\/\/(\S+)\/metrics/.exec(readFileSync(logFile, 'utf8'))?.[1],
        ),
      ),
  );
}

/** Waits until these alerts fire. */
async function fires(...names: string[]): Promise<void> {
  const due = new Set(names);
  await until(
    `${names.join(', ')} fire`,
    async () => {
      for (const name of await prometheus.firing()) {
        fired.add(name);
        due.delete(name);
      }
      return due.size === 0;
    },
    FIRES_WITHIN_MS,
  );
}

const fault = (of: 'anthropic' | 'e2b', rule: object) => world.admin(of, 'POST', 'faults', rule);
const noFaults = async () => {
  for (const of of ['anthropic', 'e2b'] as const) await world.admin(of, 'DELETE', 'faults');
};
const startTurn = async (...lines: string[]) => {
  const session = await openSession(world);
  await sendMessage(world.anthropic, session, commands(...lines));
  return session;
};

it('nothing fires in a healthy world', async () => {
  const session = await openSession(world);
  // Rules that miss a metric see nothing before the first scrapes, and wait for minutes where they are not shortened.
  await until('all is scraped', async () => {
    const states = await prometheus.query('managed_agents_router_sessions{phase="idle"}');
    return states.size === 2 && (await prometheus.firing()).length === 0;
  });
  const seen = new Set<string>();
  // Longer than the gauges of the deployment and the rules need.
  for (const end = Date.now() + 40_000; Date.now() < end; ) {
    await takeTurn(world.anthropic, session, commands('true', 'false', 'sleep 0.5'));
    for (const name of await prometheus.firing()) seen.add(name);
  }
  expect([...seen]).toEqual([]);
  expect((await prometheus.query('up == 1')).size).toBe(3);
  expect((await prometheus.query('managed_agents_router_sessions{phase="idle"}')).size).toBe(2);
});

it('every metric of the rules and the dashboard is exported', async () => {
  const texts = await Promise.all(
    (await targets()).map(async (target) => (await fetch(`http://${target}/metrics`)).text()),
  );
  const exported = new Set([...texts.join('\n').matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  // Exported only after the first failure, which the alert below has.
  exported.add('temporal_workflow_task_execution_failed');
  const files = [RULES, projectPath('deploy/grafana/dashboard.json')].map((file) =>
    readFileSync(file, 'utf8'),
  );
  const used = files.flatMap((text) => text.match(/\b(managed_agents_router|(?<!#)temporal)_[a-z_]+/g) ?? []);
  const base = (name: string) => name.replace(/_bucket$/, '');
  expect([...new Set(used.map(base))].filter((name) => !exported.has(name))).toEqual([]);
  expect(used.length).toBeGreaterThan(40);
});

it('credentials that are refused; queues that cannot be read', async () => {
  await fault('anthropic', { route: 'work.stats', kind: 'status', status: 401 });
  await fires('RouterCredentialRefused', 'RouterStateUnknown');
  await noFaults();
});

it('a queue that is not polled: work waits, and a session is stuck', async () => {
  await fault('anthropic', { route: 'work.poll', kind: 'status', status: 500 });
  await startTurn('true');
  await fires('RouterServiceErrors', 'RouterQueueNotPolled', 'RouterQueueOld', 'RouterSessionsStuck');
  await noFaults();
});

it('a sandbox that cannot be made: the session needs attention', async () => {
  await fault('e2b', { route: 'sandbox.create', kind: 'status', status: 400 });
  await startTurn('true');
  await fires('RouterSessionsNeedAttention');
  await noFaults();
});

it('results that the service does not take', async () => {
  await fault('anthropic', { route: 'events.send', match: 'user.tool_result', kind: 'status', status: 503 });
  await startTurn('true');
  await fires('RouterResultsWaiting');
  await noFaults();
});

it('more calls than slots; more sessions than sandboxes', async () => {
  // The calls of one session run one after the other.
  for (let count = 5; count > 0; count -= 1) await startTurn('sleep 45');
  await fires('RouterSlotsNearlyFull', 'RouterSessionsWaitForSandbox');
});

it('sandboxes that the router has not started', async () => {
  const metadata = sandboxMetadata(world.simulators.anthropic.environmentId, 'sesn_none');
  const strangers = await Promise.all(
    [1, 2, 3].map(() => world.Sandbox.create({ metadata, timeoutMs: 300_000 })),
  );
  await fires('RouterSandboxesOverLimit');
  for (const each of strangers) await each.kill();
});

it('leases that are renewed late', async () => {
  await world.admin('anthropic', 'PATCH', 'switches', { 'lease-ttl-seconds': '6' });
  await fault('anthropic', { route: 'work.heartbeat', kind: 'latency', latencyMs: 3_000 });
  await startTurn('sleep 20');
  await fires('RouterLeaseRenewalsLate');
  await noFaults();
});

it('a sandbox that is lost between two turns', async () => {
  const session = await openSession(world);
  await takeTurn(world.anthropic, session, commands('true'));
  const pages = world.Sandbox.list({ query: { metadata: { session }, state: ['running', 'paused'] } });
  const sandboxes = await pages.nextItems();
  expect(sandboxes).toHaveLength(1);
  for (const { sandboxId } of sandboxes) await world.admin('e2b', 'POST', `sandboxes/${sandboxId}/vanish`);
  await takeTurn(world.anthropic, session, commands('true'));
  await fires('RouterFilesLost');
});

it('a signing key that is not the one of the webhook', async () => {
  // Until the deliveries of earlier turns are past.
  const forge = () =>
    fetch(`${world.webhookUrl}/webhook`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', 'webhook-id': 'whe_1' },
    });
  const forging = setInterval(() => void forge(), 500);
  await fires('RouterSignaturesWrong').finally(() => clearInterval(forging));
});

it('a workflow of another build', async () => {
  const { workflow } = world.temporal.client;
  const workflowId = 'session-of-another-build';
  const { environmentId } = world.simulators.anthropic;
  for (const worker of world.workers) await worker.stop();
  const connection = await NativeConnection.connect({
    address: world.temporal.connection.options.address,
  });
  const older = await Worker.create({
    connection,
    taskQueue: world.names.taskQueue,
    workflowsPath: projectPath('test/prometheus/older-workflow.ts'),
  });
  await older.runUntil(async () => {
    const handle = await workflow.start(SESSION_WORKFLOW, {
      workflowId,
      taskQueue: world.names.taskQueue,
      args: [
        { sessionId: 'of-another-build', environmentId, settings: { graceMs: 1000, retentionMs: 3_600_000 } },
      ],
    });
    await until('its timer runs', async () =>
      (await handle.fetchHistory()).events?.some((event) => event.timerStartedEventAttributes),
    );
  });
  await connection.close();
  await world.addWorker();
  prometheus.scrape(await targets());
  await workflow.getHandle(workflowId).signal('anything');
  await fires('RouterNonDeterminism');
  await workflow.getHandle(workflowId).terminate();
});

it('Temporal away: processes are not ready, and deliveries fail', async () => {
  const session = await openSession(world);
  await world.stopTemporal();
  await sendMessage(world.anthropic, session, 'Hello');
  await fires('RouterTemporalNotReady', 'RouterDeliveriesFail');
});

it('no process left', async () => {
  for (const child of [...world.workers, world.webhook]) await child.kill();
  await fires('RouterNoWorker', 'RouterNoWebhookServer');
});

it('each alert has fired', () => {
  const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: { alert: string }[] }[] };
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  expect([...fired].sort()).toEqual(alerts.sort());
});
