// What keeps the sandbox of a router awake, and what lets it sleep: workflows like the router's, a queue, and a sandbox of
// the E2B simulator in place of the router's own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { E2B, type Sandbox } from 'e2b';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type RunningSimulators, startSimulators } from '../../harness/simulators.ts';
import { startTemporal, type TemporalServer } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';
import { registerSearchAttributes } from '../../src/clients/search-attributes.ts';
import { connectTemporal, type Temporal } from '../../src/clients/temporal.ts';
import { loadConfig } from '../../src/config.ts';
import { stayAwake } from '../../src/inside-e2b/stay-awake.ts';
import { whyAwake } from '../../src/inside-e2b/why-awake.ts';
import {
  PHASES,
  SESSION_WORKFLOW,
  SessionAttentionAttribute,
  SessionPhaseAttribute,
  TASK_QUEUE,
} from '../../workflows/messages.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });
const patient = { timeout: 60_000, interval: 200 };
const MINUTE = 60_000;

let folder: string;
let server: TemporalServer;
let simulators: RunningSimulators;
let temporal: Temporal;
let client: E2B;
let running: { stop(): Promise<void> } | undefined;
let own: Sandbox | undefined;
let said: { msg: string; endsAt?: string }[];

const configuration = (more: Record<string, string> = {}) => {
  const { anthropic, e2b } = simulators.connection;
  const settings = {
    ANTHROPIC_BASE_URL: anthropic.url,
    ANTHROPIC_ENVIRONMENT_ID: anthropic.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: anthropic.environmentKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
    TEMPORAL_ADDRESS: server.address,
  };
  return loadConfig({ ...settings, ...more }, 'worker');
};
const why = () => whyAwake(temporal, configuration());

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stay-awake-'));
  server = await startTemporal({
    logFile: join(folder, 'temporal.log'),
    dbFile: join(folder, 'temporal.db'),
  });
  simulators = await startSimulators({ stateDir: folder, logDir: folder, cwd: folder });
  const config = configuration();
  temporal = await connectTemporal(config.temporal);
  await registerSearchAttributes(temporal.connection, config.temporal.namespace, pino({ level: 'silent' }));
  await until('the search attributes are known', async () => (await why()) === undefined);
  const { e2b } = simulators.connection;
  client = new E2B({ apiKey: e2b.apiKey, apiUrl: e2b.url, sandboxUrl: e2b.url });
});
afterEach(async () => {
  await running?.stop();
  await own?.kill();
  own = undefined;
});
afterAll(async () => {
  await temporal?.connection.close();
  await simulators?.stop();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A session's workflow that no worker runs. @returns ends it */
async function session(phase?: string, ...attention: string[]): Promise<() => Promise<void>> {
  const handle = await temporal.client.workflow.start(SESSION_WORKFLOW, {
    workflowId: `session-${phase}-${attention}`,
    taskQueue: TASK_QUEUE,
    typedSearchAttributes: [
      ...(phase ? [{ key: SessionPhaseAttribute, value: phase }] : []),
      ...(attention.length ? [{ key: SessionAttentionAttribute, value: attention }] : []),
    ],
  });
  const listed = () =>
    temporal.client.workflow.count(`WorkflowId = '${handle.workflowId}' AND ExecutionStatus = 'Running'`);
  await expect.poll(async () => (await listed()).count, patient).toBe(1);
  return async () => {
    await handle.terminate();
    await expect.poll(why, patient).toBe(undefined);
  };
}

async function start(more: Record<string, string> = {}): Promise<void> {
  own = await client.Sandbox.create('base', {
    timeoutMs: MINUTE,
    lifecycle: { onTimeout: 'pause', autoResume: true },
  });
  const { sandboxId } = own;
  said = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line)) });
  running = stayAwake({ config: configuration(more), sandboxId: () => sandboxId, log, everyMs: 200 });
}

const info = () => client.Sandbox.getInfo(own?.sandboxId ?? '');
/** Milliseconds until the router's sandbox is paused. */
const left = async () => (await info()).endAt.getTime() - Date.now();

it('a session keeps it awake in every phase but those that wait for a webhook alone', async () => {
  const awake: string[] = [];
  for (const phase of PHASES) {
    const end = await session(phase);
    if ((await why()) !== undefined) awake.push(phase);
    await end();
  }
  const quiet = ['paused', 'paused by a person', 'ended'];
  expect(awake).toEqual(PHASES.filter((phase) => !quiet.includes(phase)));
});

it('so does a session that has no phase yet, and one whose result could not be posted', async () => {
  for (const begin of [() => session(), () => session('paused', 'run', 'post')]) {
    const over = await begin();
    expect(await why()).toBe('sessions are at work');
    await over();
  }
});

it('a session at work extends the time-out; when all is quiet it stays, and the sandbox is paused', async () => {
  await start();
  await expect.poll(() => said.at(-1)?.msg, patient).toBe('the sandbox may sleep');
  expect(await left()).toBeLessThan(MINUTE);
  const end = await session('working');
  await expect.poll(left, patient).toBeGreaterThan(4 * MINUTE);
  expect(said.at(-1)?.msg).toBe('the sandbox stays awake');
  // A longer time-out is never made shorter.
  await own?.setTimeout(60 * MINUTE);
  await end();
  await expect.poll(() => said.at(-1)?.msg, patient).toBe('the sandbox may sleep');
  expect(await left()).toBeGreaterThan(50 * MINUTE);
  await own?.setTimeout(1_000);
  await expect.poll(async () => (await info()).state, patient).toBe('paused');
});

it('says when E2B does not let it run longer', async () => {
  const end = await session('working');
  await simulators.admin('e2b', 'PATCH', 'switches', { 'longest-run-seconds': 120 });
  await start();
  const cut = () => said.filter(({ msg }) => msg.includes('may not run longer'));
  await expect.poll(cut, patient).toHaveLength(1);
  expect(cut()[0]?.endsAt).toBe((await info()).endAt.toISOString());
  await simulators.admin('e2b', 'PATCH', 'switches', { 'longest-run-seconds': 86_400 });
  await expect.poll(left, patient).toBeGreaterThan(4 * MINUTE);
  expect(cut()).toHaveLength(1);
  await end();
});

it.each([
  ['a database', { TEMPORAL_ADDRESS: '127.0.0.1:9' }],
  ['a queue', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' }],
])('%s that cannot be asked keeps it awake', async (_what, wrong) => {
  await start(wrong);
  await expect.poll(left, patient).toBeGreaterThan(4 * MINUTE);
});

it('work in the queue keeps it awake', async () => {
  const { anthropic: managed } = simulators.connection;
  await start();
  await expect.poll(() => said.at(-1)?.msg, patient).toBe('the sandbox may sleep');
  const { beta } = new Anthropic({ apiKey: managed.apiKey, baseURL: managed.url });
  await beta.sessions.create({ agent: managed.agentId, environment_id: managed.environmentId });
  await expect.poll(left, patient).toBeGreaterThan(4 * MINUTE);
});
