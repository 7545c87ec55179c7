// `usage` over a running world: a session whose sandbox was paused and resumed twice, sessions that have ended, sandboxes
// whose workflows do not exist, and services that do not answer. No worker runs while the command runs.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import type { Row } from '../../src/cli/usage/rows.ts';
import { useOfSandbox } from '../../src/cli/usage/sandboxes.ts';
import type { Source } from '../../src/cli/usage/source.ts';
import { MANAGED_BY } from '../../src/clients/sandbox-metadata.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

let world: World;
let env: Record<string, string>;
let rested: string;
let ended: string;
/** Seconds that the sandbox of the first session ran, measured beside E2B. */
let known: number;

beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 0.5, switches: ['model-delay-ms=0'] });
  const { anthropic, e2b } = world.simulators;
  const { connection, options } = world.temporal.client;
  env = {
    TEMPORAL_ADDRESS: (connection as unknown as { options: { address: string } }).options.address,
    TEMPORAL_NAMESPACE: options.namespace,
    ANTHROPIC_BASE_URL: anthropic.url,
    ANTHROPIC_ENVIRONMENT_ID: anthropic.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: anthropic.environmentKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
  };
  rested = await openSession(world);
  known = await seconds(async () => {
    await takeTurn(world.anthropic, rested, commands('echo one', 'echo two'));
    return restingSandbox(rested);
  });
  for (const command of ['echo three', 'sleep 1; echo four'])
    known += await seconds(async () => {
      await takeTurn(world.anthropic, rested, commands(command));
      return restingSandbox(rested);
    });
  ended = await openSession(world);
  await takeTurn(world.anthropic, ended, commands('echo five'));
  await restingSandbox(ended);
  await world.anthropic.beta.sessions.archive(ended);
  await workflowOf(world, ended).result();
  for (const worker of world.workers) await worker.stop();
  // A session whose workflow Temporal no longer keeps, with a name that a spreadsheet would run.
  for (const session of ['=cmd|\u001B[31m', 'sesn_forgotten'])
    await world.Sandbox.create({
      metadata: { managed_by: MANAGED_BY, environment: anthropic.environmentId, session },
    });
  await world.Sandbox.create({
    metadata: { managed_by: MANAGED_BY, environment: 'env_other', session: 'sesn_other' },
  });
});
afterAll(() => world?.close());

const restingSandbox = (sessionId: string) =>
  until('the sandbox is paused', async () => {
    const { sandboxId } = await statusOf(world, sessionId);
    return sandboxId && (await world.Sandbox.getInfo(sandboxId)).state === 'paused' && sandboxId;
  });
async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = Date.now();
  await work();
  return (Date.now() - start) / 1000;
}
const run = (args: string[], more: Record<string, string> = {}) =>
  runCommand(['usage', ...args], { ...env, ...more });
async function usage(
  args: string[] = [],
  more: Record<string, string> = {},
): Promise<{ rows: Row[]; sources: Source[] }> {
  const { code, stdout, stderr } = await run(['--json', ...args], more);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
}
const rowOf = (rows: Row[], id: string) => rows.find((row) => row.id === id);

it('knows what a session used whose sandbox was paused and resumed twice', async () => {
  const { rows, sources } = await usage(['--vcpu-price', '0.5', '--gib-price', '0.25']);
  const row = rowOf(rows, rested);
  expect(row).toMatchObject({ turns: 3, calls: 4, sessions: 1, running: 1, atLeast: [] });
  expect(row?.inputTokens).toEqual(
    (await world.anthropic.beta.sessions.retrieve(rested)).usage?.input_tokens,
  );
  // Exactly what E2B says, and no more than what a clock beside it has seen.
  const sandboxId = (await restingRow()) as string;
  const answer = await fetch(
    `${env.E2B_API_URL}/events/sandboxes/${sandboxId}?types=sandbox.lifecycle.paused`,
    {
      headers: { 'x-api-key': env.E2B_API_KEY as string },
    },
  );
  const paused = (await answer.json()) as {
    event_data: { execution: { execution_time: number; vcpu_count: number } };
  }[];
  const times = paused.map(({ event_data }) => event_data.execution.execution_time / 1000);
  expect(times).toHaveLength(3);
  const exact = times.reduce((sum, time) => sum + time, 0);
  expect(row?.sandboxSeconds).toBeCloseTo(exact, 3);
  expect(exact).toBeGreaterThan(1);
  expect(exact).toBeLessThan(known);
  const vcpus = paused[0]?.event_data.execution.vcpu_count ?? 0;
  expect(row?.sandboxCost).toBeCloseTo(exact * (vcpus * 0.5 + 0.25), 3);
  expect(sources.map(({ name, complete }) => [name, complete])).toEqual([
    ['Temporal', true],
    ['E2B', true],
    // A session of this name does not exist.
    ['Anthropic', false],
  ]);
});

async function restingRow(): Promise<string | undefined> {
  const pages = world.Sandbox.list({ query: { metadata: { session: rested } } });
  return (await pages.nextItems())[0]?.sandboxId;
}

it('knows ended sessions, and those that E2B alone remembers; unknown is not zero', async () => {
  const { rows } = await usage();
  expect(rowOf(rows, ended)).toMatchObject({ turns: 1, calls: 1, running: 0, atLeast: [] });
  expect(rowOf(rows, ended)?.sandboxSeconds).toBeGreaterThan(0);
  expect(rowOf(rows, 'sesn_forgotten')).toMatchObject({
    turns: null,
    calls: null,
    running: null,
    inputTokens: null,
  });
  expect(rowOf(rows, 'sesn_forgotten')?.sandboxSeconds).toBeGreaterThan(0);
  // Of an environment that is not ours.
  expect(rowOf(rows, 'sesn_other')).toBeUndefined();
  const [environment, ...others] = (await usage(['--by', 'environment'])).rows;
  expect(others).toEqual([]);
  expect(environment).toMatchObject({ id: env.ANTHROPIC_ENVIRONMENT_ID, sessions: 4, turns: 4, calls: 5 });
  expect(environment?.atLeast).toEqual(expect.arrayContaining(['turns', 'calls', 'inputTokens']));
  const agents = (await usage(['--by', 'agent'])).rows;
  expect(rowOf(agents, world.simulators.anthropic.agentId)).toMatchObject({
    sessions: 2,
    calls: 5,
    atLeast: [],
  });
});

it('gives the second environment its own line', async () => {
  const { rows } = await usage(['--by', 'environment', '--no-tokens'], {
    ANTHROPIC_ENVIRONMENT_ID: 'env_other',
  });
  expect(rows.map(({ id, sessions }) => [id, sessions]).sort()).toEqual(
    [
      ['env_other', 1],
      [env.ANTHROPIC_ENVIRONMENT_ID, 4],
    ].sort(),
  );
});

it('prints CSV that no spreadsheet runs, and a table that fits 80 columns', async () => {
  const csv = await run(['--csv', '--no-tokens']);
  expect(csv.stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  expect(csv.stdout).not.toMatch(/(^|,)"?[=+@-]/m);
  expect(csv.stdout).toContain("\n'=cmd|,");
  expect(csv.stdout).toMatch(/^sesn_forgotten,1,,,,\d/m);
  expect(csv.stderr).toContain('7 days');
  const table = await run(['--no-tokens']);
  expect(table.stdout).toMatch(/^SESSION +TURNS +CALLS +SANDBOX/m);
  expect(table.stdout).toContain('missing: tokens');
  const [, rows] = table.stdout.split('\n\n');
  for (const line of rows?.split('\n') ?? []) expect(line.length).toBeLessThanOrEqual(80);
});

it('counts the time asked for alone', async () => {
  const future = await run(['--since', '2999-01-01']);
  expect(future).toMatchObject({ code: 2, stdout: '' });
  expect(await run(['--since', 'yesterday'])).toMatchObject({ code: 2 });
  expect(await run(['--vcpu-price', '1'])).toMatchObject({ code: 2 });
  const before = await usage(['--since', '30d', '--until', '20d']);
  expect(before.rows).toEqual([]);
  expect(before.sources[1]?.missing.join()).toContain('7 days');
});

it('gives the rest where a service does not answer, and fails where none does', async () => {
  const nowhere = 'http://127.0.0.1:1';
  const [noE2B, noTemporal, noAnthropic, wrongKey, nothing] = await Promise.all([
    usage([], { E2B_API_URL: nowhere }),
    usage([], { TEMPORAL_ADDRESS: '127.0.0.1:1' }),
    usage([], { ANTHROPIC_BASE_URL: nowhere }),
    usage(['--no-tokens'], { E2B_API_KEY: 'e2b_0000' }),
    run([], { TEMPORAL_ADDRESS: '127.0.0.1:1', E2B_API_URL: nowhere }),
  ]);
  expect(rowOf(noE2B.rows, rested)).toMatchObject({ calls: 4, sandboxSeconds: null, sandboxCost: null });
  expect(noE2B.sources[1]?.missing.join()).toContain('E2B_API_URL');
  expect(rowOf(noTemporal.rows, rested)).toMatchObject({ calls: null, running: null });
  expect(rowOf(noTemporal.rows, rested)?.sandboxSeconds).toBeGreaterThan(0);
  expect(rowOf(noTemporal.rows, rested)?.inputTokens).toBeGreaterThanOrEqual(0);
  expect(rowOf(noAnthropic.rows, rested)).toMatchObject({ calls: 4, inputTokens: null });
  expect(noAnthropic.sources[2]?.missing.join()).toContain('ANTHROPIC_BASE_URL');
  expect(wrongKey.sources[1]?.missing.join()).toContain('refuses the key');
  expect(nothing).toMatchObject({ code: 5, stdout: '' });
  expect(nothing.stderr).toContain('TEMPORAL_ADDRESS');
});

it('tells the running seconds so far, and the cost, of one sandbox', async () => {
  const sandbox = await world.Sandbox.create({
    metadata: { managed_by: MANAGED_BY, created_at: new Date().toISOString() },
  });
  await sandbox.pause();
  await sandbox.connect();
  const settings = { apiKey: world.simulators.e2b.apiKey, apiUrl: world.simulators.e2b.url };
  const info = await world.Sandbox.getInfo(sandbox.sandboxId);
  const use = await useOfSandbox(settings, info, { vcpu: 1, gib: 0 });
  expect(use.complete).toBe(true);
  expect(use.seconds).toBeGreaterThan(0);
  expect(use.cost).toBeCloseTo(use.seconds * info.cpuCount, 6);
  expect((await useOfSandbox(settings, info)).cost).toBeNull();
  expect((await useOfSandbox(settings, { ...info, metadata: {} })).complete).toBe(false);
  await sandbox.kill();
});
