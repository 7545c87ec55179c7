// Spans of a session over OTLP, from a webhook server and two workers of which one dies in mid-call.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Child } from '../../harness/child.ts';
import { commands, eventsOf, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';
import { type ReceivedSpan, startReceiver } from './otlp-receiver.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const TOKEN = 'collector-token-1234';
const MARK = 'content-that-no-span-may-hold';
const ENVIRONMENT_WORK = 'anthropic.environment.work';

let world: World;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let sessionId: string;

const callSpans = () => named('anthropic.tool_use bash');
const named = (name: string) => receiver.spans.filter((span) => span.name === name);
const ofSession = () =>
  receiver.spans.filter((span) => span.attributes['anthropic.session.id'] === sessionId);

beforeAll(async () => {
  receiver = await startReceiver();
  world = await startTestWorld({
    graceSeconds: 1,
    settings: async () => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${TOKEN}`,
      OTEL_SERVICE_NAME: 'router-under-test',
    }),
  });
  sessionId = await openSession(world);
  const [first] = world.workers as [Child];
  const lines = [`echo ${MARK}`, `sleep 5; echo ${MARK}`, 'false'];
  let calls = 0;
  const turn = takeTurn(world.anthropic, sessionId, commands(...lines), ({ type }) => {
    calls += type === 'agent.tool_use' ? 1 : 0;
  });
  await until('the second call runs', async () => calls === 2);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await first.kill();
  await world.addWorker();
  await turn;
  await until('the work item is stopped', async () => named(ENVIRONMENT_WORK).length === 1, 60_000);
  await takeTurn(world.anthropic, sessionId, commands('echo again'));
  await until('the second is stopped', async () => named(ENVIRONMENT_WORK).length === 2, 60_000);
  await until('the session rests', async () => named('managed_agents_router.rest_session').length === 2);
});
afterAll(async () => {
  await world?.close();
  await receiver?.close();
});

it('sends OTLP over HTTP with the headers that are configured', () => {
  expect([...receiver.paths]).toEqual(['POST /v1/traces application/x-protobuf']);
  expect([...receiver.authorizations]).toEqual([`Bearer ${TOKEN}`]);
  expect(new Set(receiver.spans.map(({ service }) => service))).toEqual(new Set(['router-under-test']));
});

it('all spans of a session are one trace, and none is there twice', () => {
  const [trace] = callSpans();
  expect(new Set(receiver.spans.map(({ traceId }) => traceId))).toEqual(new Set([trace?.traceId]));
  const ids = receiver.spans.map(({ spanId }) => spanId);
  expect(ids).toEqual([...new Set(ids)]);
});

it('a tool call is one span from its scheduling to the accepted result, the call of the killed worker too', async () => {
  const events = await eventsOf(world.anthropic, sessionId);
  const calls = events.filter(({ type }) => type === 'agent.tool_use').map(({ id }) => id);
  expect(calls).toHaveLength(4);
  const spans = callSpans().toSorted((a, b) => a.startedAt - b.startedAt);
  expect(spans.map(({ attributes }) => attributes['gen_ai.tool.call.id'])).toEqual(calls);
  expect(spans.map(({ status }) => status)).toEqual([1, 1, 2, 1]);
  expect(spans[2]?.attributes['error.type']).toBe('tool_error');
  const [, killed] = spans as [ReceivedSpan, ReceivedSpan];
  expect(killed.attributes['managed_agents_router.attempt']).toBeGreaterThan(1);
  // The command sleeps for 5 s: the attempt that has made the span began later than the span does.
  expect(killed.endedAt - killed.startedAt).toBeGreaterThan(5_000);
});

it('calls lie below the work item of their turn; deliveries and preparation lie at the top', async () => {
  const works = named(ENVIRONMENT_WORK).toSorted((a, b) => a.startedAt - b.startedAt);
  expect(works.map(({ parentSpanId, status }) => [parentSpanId, status])).toEqual([
    ['', 1],
    ['', 1],
  ]);
  const [first, second] = works.map(({ spanId }) => spanId);
  const calls = callSpans().toSorted((a, b) => a.startedAt - b.startedAt);
  expect(calls.map(({ parentSpanId }) => parentSpanId)).toEqual([first, first, first, second]);
  const top = receiver.spans.filter(({ parentSpanId }) => parentSpanId === '').map(({ name }) => name);
  expect([...new Set(top)]).toEqual(
    expect.arrayContaining(['managed_agents_router.delivery', 'managed_agents_router.prepare_sandbox']),
  );
  // Requests of the SDK lie below our spans: the result of each call below the call.
  for (const { spanId } of calls) {
    const below = receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId);
    expect(below.map(({ name }) => name)).toEqual(expect.arrayContaining([expect.stringContaining('send')]));
  }
});

it('spans name session, work item, call and sandbox', async () => {
  const [sandbox] = await sandboxIds();
  const [work] = named(ENVIRONMENT_WORK) as [ReceivedSpan];
  expect(work.attributes).toMatchObject({
    'gen_ai.provider.name': 'anthropic',
    'anthropic.environment.id': world.simulators.anthropic.environmentId,
    'anthropic.environment.work.id': expect.stringMatching(/^work_/),
    'anthropic.session.id': sessionId,
  });
  expect(callSpans()[0]?.attributes).toMatchObject({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'bash',
    'anthropic.session.id': sessionId,
    'anthropic.environment.work.id': work.attributes['anthropic.environment.work.id'],
    'e2b.sandbox.id': sandbox,
    'managed_agents_router.outcome': 'done',
    temporalWorkflowId: world.names.sessionWorkflowId(sessionId),
  });
  expect(named('managed_agents_router.prepare_sandbox').at(-1)?.attributes['e2b.sandbox.id']).toBe(sandbox);
  expect(ofSession().length).toBeGreaterThan(10);
});

it('no span holds content or a secret', () => {
  const sent = Buffer.concat(receiver.bodies).toString('latin1');
  const { anthropic, e2b } = world.simulators;
  const secrets = [anthropic.environmentKey, anthropic.webhookSigningKey, e2b.apiKey, TOKEN, 'sk-ant-'];
  for (const hidden of [MARK, 'echo', 'sleep 5', ...secrets]) expect(sent, hidden).not.toContain(hidden);
});

it('lines of the log that belong to a span name its trace', () => {
  const [{ traceId }] = callSpans() as [ReceivedSpan];
  for (const [child, msg] of [
    [world.webhook, 'delivery'],
    [world.workers[1] as Child, 'tool call ended'],
  ] as const) {
    const lines = readFileSync(child.logFile, 'utf8').split('\n');
    const line = lines.find((each) => each.includes(`"msg":"${msg}"`) && each.includes(sessionId));
    expect(JSON.parse(line ?? '{}').traceId, msg).toBe(traceId);
  }
});

it('an endpoint that never answers, or refuses, holds up neither a turn nor a stop', async () => {
  const silent = await startReceiver(null);
  const settings = (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
  await Promise.all(world.workers.map((worker) => worker.kill()));
  // Nothing listens on port 9 (discard).
  const workers = [
    await world.addWorker(settings(silent.url)),
    await world.addWorker(settings('http://127.0.0.1:9')),
  ];
  for (const _ of [1, 2, 3]) {
    const { stopReason } = await takeTurn(world.anthropic, sessionId, commands('true', 'true'));
    expect(stopReason).toBe('end_turn');
  }
  await until('both have sent', async () => silent.bodies.length > 0);
  await Promise.all(workers.map((worker) => worker.stop()));
  // A stop that had to be forced would have written no such line last.
  for (const worker of workers) expect(readFileSync(worker.logFile, 'utf8')).toContain('"msg":"stopping"');
  await silent.close();
});

async function sandboxIds(): Promise<string[]> {
  const ids: string[] = [];
  const pages = world.Sandbox.list();
  while (pages.hasNext) ids.push(...(await pages.nextItems()).map(({ sandboxId }) => sandboxId));
  return ids;
}
