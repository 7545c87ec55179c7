// What Prometheus reads from a webhook server and a worker.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Child } from '../../harness/child.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 300 });
  await takeTurn(world.anthropic, await openSession(world), commands('true', 'false', 'sleep 0.2'));
});
afterAll(() => world?.close());

/** Address of the admin server, as the process prints it. */
async function adminOf({ logFile, name }: Child): Promise<string> {
  return await until(`${name} prints the address`, () =>
    Promise.resolve(/metrics (http:\S+)\/metrics/.exec(readFileSync(logFile, 'utf8'))?.[1]),
  );
}

async function metricsOf(child: Child): Promise<string> {
  const answer = await fetch(`${await adminOf(child)}/metrics`);
  expect(answer.headers.get('content-type')).toContain('text/plain');
  return answer.text();
}

/** Value of one series; undefined if there is none. */
function value(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`managed_agents_router_${series} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

const worker = () => world.workers[0] as Child;

it('counts and times tool calls by tool and outcome', async () => {
  const text = await metricsOf(worker());
  expect(value(text, 'tool_calls_total{tool="bash",outcome="done"}')).toBe(2);
  expect(value(text, 'tool_calls_total{tool="bash",outcome="failed"}')).toBe(1);
  expect(value(text, 'tool_call_seconds_count{tool="bash"}')).toBe(3);
  expect(value(text, 'tool_call_seconds_sum{tool="bash"}')).toBeGreaterThan(0.2);
  const overhead = value(text, 'tool_call_overhead_seconds_sum') ?? 0;
  expect(overhead).toBeGreaterThan(0);
  expect(overhead).toBeLessThan(value(text, 'tool_call_seconds_sum{tool="bash"}') ?? 0);
  expect(value(text, 'sandboxes_prepared_total{how="created"}')).toBe(1);
});

it('counts requests to both services by status code', async () => {
  const text = await metricsOf(worker());
  expect(value(text, 'service_requests_total{service="anthropic",code="200"}')).toBeGreaterThan(3);
  // Behind one address, the simulator of E2B answers for its sandboxes too.
  expect(value(text, 'service_requests_total{service="e2b",code="200"}')).toBeGreaterThan(3);
});

it('shows sessions by phase and the queue of each environment, read from Temporal and Anthropic', async () => {
  const { environmentId } = world.simulators.anthropic;
  await until('the session is found', async () => {
    const text = await metricsOf(worker());
    return value(text, 'sessions{phase="idle"}') === 1 ? text : undefined;
  });
  const text = await metricsOf(worker());
  expect(value(text, 'sessions{phase="working"}')).toBe(0);
  expect(value(text, 'sessions_needing_attention{cause="stuck"}')).toBe(0);
  expect(value(text, `queue_depth{environment="${environmentId}"}`)).toBe(0);
  expect(value(text, `queue_workers_polling{environment="${environmentId}"}`)).toBe(1);
});

it('a process shows only the metrics of what it runs', async () => {
  const [ofWorker, ofWebhook] = await Promise.all([metricsOf(worker()), metricsOf(world.webhook)]);
  expect(ofWorker).toMatch(/_build_info\{part="worker",version="[\d.]+"\} 1/);
  expect(ofWorker).not.toContain('deliver');
  expect(ofWebhook).toMatch(/_build_info\{part="webhook",/);
  expect(ofWebhook).not.toMatch(/tool_call|sandbox|sessions/);
  expect(value(ofWorker, 'temporal_ready')).toBe(1);
});

it("contains the metrics of Temporal's core, and each metric is declared once", async () => {
  const text = await metricsOf(worker());
  expect(text).toMatch(/^temporal_worker_task_slots_used\{/m);
  const declared = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(declared).toEqual([...new Set(declared)]);
});

it('the webhook server counts deliveries by type and outcome, and refusals by code', async () => {
  await fetch(`${world.webhookUrl}/webhook`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json' },
  });
  const text = await metricsOf(world.webhook);
  expect(text).toMatch(/deliveries_total\{type="session.status_run_started",outcome="\w+"\} [1-9]/);
  expect(text).toMatch(/requests_refused_total\{code="\w+"\} 1/);
  expect(value(text, 'delivery_seconds_count')).toBeGreaterThan(0);
});

it('a worker is alive and ready; without Temporal it is alive and not ready, and metrics are still answered', async () => {
  const admin = await adminOf(worker());
  const status = async (path: string) => (await fetch(`${admin}${path}`)).status;
  expect([await status('/live'), await status('/ready'), await status('/')]).toEqual([200, 200, 404]);
  await world.stopTemporal();
  await until('it is not ready', async () => (await status('/ready')) === 503);
  expect(await status('/live')).toBe(200);
  const text = await metricsOf(worker());
  expect(value(text, 'tool_calls_total{tool="bash",outcome="done"}')).toBe(2);
  expect(value(text, 'temporal_ready')).toBe(0);
});
