// `environments show`: with the whole router, and with no worker at all.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 180_000 });

let world: World;
let temporalOnly: Record<string, string>;
let withKey: Record<string, string>;
beforeAll(async () => {
  world = await startTestWorld({
    graceSeconds: 0.5,
    switches: ['model-delay-ms=0'],
    settings: async () => ({ RECONCILE_SECONDS: '2' }),
  });
  const { url, environmentId, environmentKey } = world.simulators.anthropic;
  temporalOnly = { TEMPORAL_ADDRESS: world.temporal.connection.options.address as string };
  withKey = {
    ...temporalOnly,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_ENVIRONMENT_ID: environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: environmentKey,
  };
});
afterAll(() => world?.close());

const show = (env: Record<string, string>, ...args: string[]) =>
  runCommand(['environments', 'show', ...args], env);
async function report(env = withKey) {
  const { stdout } = await show(env, '--json');
  return JSON.parse(stdout).environments[0];
}

it('shows queue, watch, workers and the last reconcile of a router at work', async () => {
  const { environmentId } = world.simulators.anthropic;
  await takeTurn(world.anthropic, await openSession(world), commands('echo one'));
  const found = await until(
    'a reconcile has been seen',
    async () => {
      const now = await report();
      return now.lastReconcile && now.watch.lastHeartbeatAt && now.queue.workersPolling === 1 && now;
    },
    60_000,
  );
  expect(found).toMatchObject({
    environmentId,
    running: true,
    queue: { depth: 0, pending: 0, oldestQueuedAt: null },
    watch: { state: 'polling', failure: null },
    workers: { polling: expect.any(Number), lastSeenAt: expect.any(String) },
    lastReconcile: { findings: expect.any(Array), failure: null },
    sessions: { running: 1, needAttention: 0 },
    needsAttention: [],
  });
  expect(found.workers.polling).toBeGreaterThan(0);

  // Temporal alone finds the environment by itself, and says which key is missing.
  const { stdout, code } = await show(temporalOnly);
  expect(code).toBe(0);
  expect(stdout.split('\n')).toEqual([
    environmentId,
    '  queue     unknown: the key of the environment is not set (ANTHROPIC_ENVIRONMENT_KEY)',
    expect.stringMatching(/^ {2}watch {5}polling, since \d.* ago, last heartbeat .*$/),
    expect.stringMatching(/^ {2}workers {3}\d on Temporal, last seen .*$/),
    expect.stringMatching(/^ {2}reconcile .*, (all in order|repaired:)$/),
    '  sessions  1 running',
    '',
  ]);
});

it('says what is wrong when no worker runs and work waits', async () => {
  for (const worker of world.workers) await worker.kill();
  await sendMessage(world.anthropic, await openSession(world), commands('echo waits'));
  await until('the item is in the queue', async () => (await report()).queue.depth === 1);
  await until('the workers are forgotten', async () => (await report()).workers.polling === 0, 120_000);
  const { stdout } = await show(withKey);
  expect(stdout).toContain('  ! No worker of this deployment runs, so nothing is claimed: start one');
  expect(stdout).toMatch(/^ {2}queue {5}1 waiting, 0 handed out, the oldest from \d.* ago; 0 polling/m);
  expect(stdout).toMatch(/^ {2}workers {3}none on Temporal, last seen \d.* ago$/m);
  expect(stdout).toMatch(/^ {2}reconcile \d.* ago, /m);
});

it('refuses an unknown id, and names a key that the service refuses', async () => {
  const unknown = await show(temporalOnly, 'env_unknown');
  expect(unknown).toMatchObject({ code: 3, stdout: '' });
  expect(unknown.stderr).toContain('environment env_unknown');
  const refused = await show({ ...withKey, ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-wrong-key' });
  expect(refused.code).toBe(0);
  expect(refused.stdout).toContain(
    'Anthropic refuses the key of the environment (ANTHROPIC_ENVIRONMENT_KEY)',
  );
  expect(refused.stdout).not.toContain('wrong-key');
});
