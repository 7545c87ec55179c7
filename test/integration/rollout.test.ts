// A rolling upgrade as docs/changing-workflows.md describes it, with its commands: build two starts beside build one,
// becomes current, build one drains and stops, and then all of it back, while sessions make calls and webhook servers are
// replaced one by one. No call is lost or runs twice, each result is accepted, and nothing waits for a stopped build.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { percentile } from '../../bench/percentile.ts';
import { type Balancer, startBalancer } from '../../chaos/balancer.ts';
import { readRuns, replayAll } from '../../chaos/histories.ts';
import { countOnBuild } from '../../harness/builds.ts';
import type { Child } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { type Load, startLoad } from '../../harness/steady-load.ts';
import { findTemporalCli } from '../../harness/temporal-binary.ts';
import { startTemporal, type TemporalServer } from '../../harness/temporal-server.ts';
import { commands, eventsOf, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

const SESSIONS = 8;
const CALL_MS = 300;
/** Half of the sessions never rest; the sandboxes of the others are paused after each turn. */
const RESTS_MS: [number, number] = [500, 2_500];
/** Quicker than any model: a step of a model takes a second or more. */
const MODEL_MS = 200;
const MOVED_WITHIN_MS = 120_000;
/** The service sends a refused delivery again after up to two minutes. */
const DELIVERED_WITHIN_MS = 300_000;
/** Between the replacements of webhook servers. */
const REPLACE_EVERY_MS = 3_000;

/** Temporal allows few questions about a deployment. */
const ASK_EVERY_MS = 2_000;
/** Usually the server says `drained` three minutes after the last workflow has left. */
const DRAINED_SOON = [
  'matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"',
  'matching.wv.VersionDrainageStatusRefreshInterval="1s"',
];

let server: TemporalServer;
let balancer: Balancer;
let world: World;
/** Ports behind the balancer. */
const ports: number[] = [];

beforeAll(async () => {
  server = await startTemporal({ dynamicConfig: DRAINED_SOON });
  balancer = await startBalancer(ports);
  // With a limit, so that the workflow of the sandbox slots has to move, too.
  const settings = { WORKER_BUILD_ID: 'one', E2B_MAX_RUNNING_SANDBOXES: '20', RECONCILE_SECONDS: '2' };
  world = await startTestWorld({
    temporal: server,
    webhookUrl: `http://127.0.0.1:${balancer.port}/webhook`,
    switches: [`model-delay-ms=${MODEL_MS}`],
    graceSeconds: 1,
    settings: async () => settings,
  });
  ports.push(Number(new URL(world.webhookUrl).port));
  await addWebhook();
  await setCurrent('one');
}, 120_000);
afterAll(async () => {
  await world?.close();
  await balancer?.close();
  await server?.close();
});

const webhooks = new Map<number, Child>();
async function addWebhook(): Promise<void> {
  const port = await freePort();
  webhooks.set(port, await world.addWebhook(port));
  ports.push(port);
}

/** Replaces webhook servers, the oldest first, until the signal. @returns how many */
async function replaceWebhooks(signal: AbortSignal): Promise<number> {
  let replaced = 0;
  while (!signal.aborted) {
    await addWebhook();
    const port = ports.shift() ?? 0;
    await (webhooks.get(port) ?? world.webhook).stop();
    replaced += 1;
    await sleep(REPLACE_EVERY_MS);
  }
  return replaced;
}

/** Runs Temporal's command line. @returns its answer */
async function temporal(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(await findTemporalCli(), [
    ...args,
    '--address',
    server.address,
  ]);
  return stdout;
}

const deployment = (...args: string[]) =>
  temporal('worker', 'deployment', ...args, '--deployment-name', world.names.taskQueue);

/** Waits until the server has heard of the build's workers. */
async function setCurrent(build: string): Promise<void> {
  await until(`build ${build} is current`, async () => {
    await sleep(ASK_EVERY_MS);
    const command = deployment('set-current-version', '--build-id', build, '--yes');
    return command.then(
      () => true,
      () => false,
    );
  });
}

async function isDrained(build: string): Promise<boolean> {
  await sleep(ASK_EVERY_MS);
  return /"drained"/i.test(await deployment('describe-version', '--build-id', build, '--output', 'json'));
}

/** The steps of the document: start, make current, tell the workflows, wait until the old build is drained, stop it. */
async function rollOut(from: string, to: string, old: Child): Promise<Child> {
  const fresh = await world.addWorker({ WORKER_BUILD_ID: to });
  await setCurrent(to);
  const left = `TemporalWorkerDeploymentVersion='${world.names.taskQueue}:${from}' AND ExecutionStatus='Running'`;
  const signal = [
    'workflow',
    'signal',
    '--name',
    'buildChanged',
    '--rps',
    '20',
    '--reason',
    'rollout',
    '--yes',
  ];
  const isEmpty = async () => {
    await temporal(...signal, '--query', left);
    await sleep(ASK_EVERY_MS);
    return (await countOnBuild(world, from)) === 0;
  };
  await until(`no workflow is left on build ${from}`, isEmpty, MOVED_WITHIN_MS);
  await until(`build ${from} is drained`, () => isDrained(from), MOVED_WITHIN_MS);
  await old.stop();
  return fresh;
}

/** Each session takes a whole turn more. */
async function untilAllTookATurn(load: Load, what: string): Promise<void> {
  const before = [...load.turns];
  const all = async () => load.turns.every((turns, index) => turns > (before[index] ?? 0) + 1);
  await Promise.race([until(`each session takes a turn ${what}`, all, MOVED_WITHIN_MS), load.failed]);
}

/** Waits until no delivery is to be sent again. @returns those that the service has given up */
async function failedDeliveries(): Promise<unknown[]> {
  return until(
    'all deliveries are made',
    async () => {
      const { deliveries } = (await world.admin('anthropic', 'GET', 'state')) as {
        deliveries: Record<string, { state: string }>;
      };
      const all = Object.values(deliveries);
      if (all.length <= SESSIONS || all.some(({ state }) => state === 'pending')) return false;
      return all.filter(({ state }) => state === 'failed');
    },
    DELIVERED_WITHIN_MS,
  );
}

it('deploys a build over another under load, and rolls back', { timeout: 600_000 }, async () => {
  const sleeper = await openSession(world);
  await takeTurn(world.anthropic, sleeper, commands('echo kept > file'));
  const load = await startLoad(world, { sessions: SESSIONS, callMs: CALL_MS, restsMs: RESTS_MS });
  await untilAllTookATurn(load, 'on build one');
  load.begin('before');
  await untilAllTookATurn(load, 'before the upgrade');

  const replacing = new AbortController();
  const replaced = replaceWebhooks(replacing.signal);
  load.begin('upgrade');
  const [one] = world.workers as [Child];
  const two = await rollOut('one', 'two', one);
  load.begin('on build two');
  await untilAllTookATurn(load, 'after build one has stopped');
  load.begin('rollback');
  await rollOut('two', 'one', two);
  load.begin('back on build one');
  await untilAllTookATurn(load, 'after build two has stopped');
  replacing.abort();
  expect(await replaced).toBeGreaterThan(1);
  await load.stop();
  const { answer } = await takeTurn(world.anthropic, sleeper, commands('cat file'));
  expect(answer.trim()).toBe('kept');

  for (const id of load.sessionIds) {
    const events = await eventsOf(world.anthropic, id);
    const asked = events.flatMap((event) => (event.type === 'agent.tool_use' ? [event.id] : []));
    const results = events.flatMap((event) => (event.type === 'user.tool_result' ? [event] : []));
    expect(results.map((result) => result.tool_use_id)).toEqual(asked);
    expect(results.filter((result) => result.is_error)).toEqual([]);
  }
  expect(await failedDeliveries()).toEqual([]);
  const runs = await readRuns(world.temporal.client);
  expect(runs.filter(({ status, taskAttempts }) => status === 'FAILED' || taskAttempts > 1)).toEqual([]);
  expect(await replayAll(runs)).toEqual([]);
  report(load);
});

/** Prints how long calls took beyond their own time in each phase, and which took longest. */
function report({ calls }: Load): void {
  for (const phase of new Set(calls.map((call) => call.phase))) {
    const ofPhase = calls.filter((call) => call.phase === phase);
    const ms = ofPhase.map(({ overheadMs }) => overheadMs);
    const [p50, p99, most] = [0.5, 0.99, 1].map((share) => percentile(ms, share));
    const slowest = ofPhase.find(({ overheadMs }) => overheadMs === most);
    process.stderr.write(
      `${phase}: ${ms.length} calls, p50 ${p50} ms over their own time, p99 ${p99} ms, at most ${most} ms (${slowest?.id} of ${slowest?.sessionId})\n`,
    );
  }
}
