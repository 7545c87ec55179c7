// A rolling upgrade of the workers under load, from build one to build two and back: no call is lost or runs twice, no
// workflow stays behind, and all histories replay.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { percentile } from '../../bench/percentile.ts';
import { readRuns, replayAll } from '../../chaos/histories.ts';
import { countOnBuild, setCurrentBuild } from '../../harness/builds.ts';
import type { Child } from '../../harness/child.ts';
import type { Cluster } from '../../harness/cluster/cluster.ts';
import { createNamespace } from '../../harness/temporal-namespace.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';
import { startTestCluster } from './test-cluster.ts';

const SESSIONS = 8;
const WORKERS = 2;
const MOVED_WITHIN_MS = 180_000;
/** Between turns, longer than the grace: sandboxes are paused, and their slots returned. */
const REST_MS = 2_500;

let cluster: Cluster;
let world: World;
beforeAll(async () => {
  cluster = await startTestCluster();
  const temporal = { address: cluster.address, namespace: 'upgrade' };
  await createNamespace(temporal.address, temporal.namespace);
  // With a limit, which no session has to wait for: the workflow of the sandbox slots has to move, too.
  const settings = { WORKER_BUILD_ID: 'one', E2B_MAX_RUNNING_SANDBOXES: '20', RECONCILE_SECONDS: '5' };
  world = await startTestWorld({
    temporal,
    workers: WORKERS,
    graceSeconds: 1,
    settings: async () => settings,
  });
  await setCurrentBuild(world, 'one');
});
afterAll(async () => {
  await world?.close();
  await cluster?.close();
});

interface Load {
  /** Turns that each session has finished. */
  turns: number[];
  /** What the deployment does now. */
  phase: string;
  /** Milliseconds from each call to its result, by the phase in which it began. */
  callMs: Map<string, number[]>;
  stop(): Promise<void>;
}

/** Sessions that take turn after turn; each turn proves that those before it ran once. */
function startLoad(): Load {
  const turns = Array.from({ length: SESSIONS }, () => 0);
  let stopped = false;
  const load: Load = {
    turns,
    phase: 'on build one',
    callMs: new Map(),
    stop: async () => {
      stopped = true;
      await all;
    },
  };
  const sessions = turns.map(async (_, index) => {
    const id = await openSession(world);
    for (let turn = 1; !stopped; turn += 1) {
      let asked = { at: 0, phase: '' };
      const { answer } = await takeTurn(
        world.anthropic,
        id,
        commands(`echo ${turn} >> turns`, 'sleep 1', 'tr "\\n" " " < turns'),
        ({ type }) => {
          const now = Date.now();
          if (type === 'agent.tool_use') asked = { at: now, phase: load.phase };
          if (type === 'user.tool_result')
            load.callMs.set(asked.phase, [...(load.callMs.get(asked.phase) ?? []), now - asked.at]);
        },
      );
      expect(answer.trim()).toBe(Array.from({ length: turn }, (_, before) => before + 1).join(' '));
      turns[index] = turn;
      await sleep(REST_MS);
    }
  });
  const all = Promise.all(sessions);
  all.catch(() => undefined);
  return load;
}

/** Brings the new build beside the old one, makes it current, and stops the old one when nothing runs on it. */
async function upgrade(from: string, to: string, old: Child[]): Promise<Child[]> {
  const fresh: Child[] = [];
  while (fresh.length < WORKERS) fresh.push(await world.addWorker({ WORKER_BUILD_ID: to }));
  expect(await countOnBuild(world, from)).toBeGreaterThan(SESSIONS);
  await setCurrentBuild(world, to);
  const moved = async () => (await countOnBuild(world, from)) === 0;
  await until(`no workflow is left on build ${from}`, moved, MOVED_WITHIN_MS);
  await Promise.all(old.map((worker) => worker.stop()));
  return fresh;
}

it('moves all sessions to the new build and back while they work', async () => {
  const load = startLoad();
  const more = async (phase: string) => {
    load.phase = phase;
    const before = [...load.turns];
    const all = async () => load.turns.every((turns, index) => turns > (before[index] ?? 0));
    await until(`each session has taken a turn ${phase}`, all, MOVED_WITHIN_MS);
  };
  await more('on build one');
  load.phase = 'upgrade';
  const second = await upgrade('one', 'two', [...world.workers]);
  await more('on build two');
  load.phase = 'rollback';
  await upgrade('two', 'one', second);
  await more('on build one again');
  await load.stop();

  const runs = await readRuns(world.temporal.client);
  expect(runs.filter(({ status, taskAttempts }) => status === 'FAILED' || taskAttempts > 1)).toEqual([]);
  expect(await replayAll(runs)).toEqual([]);
  for (const [phase, callMs] of load.callMs) {
    const [p50, most] = [0.5, 1].map((share) => percentile(callMs, share));
    process.stderr.write(`${phase}: ${callMs.length} calls, p50 ${p50} ms, at most ${most} ms\n`);
  }
});
