// The chaos run on a cluster: 30 sessions in many turns while workers, webhook servers, sandboxes, and in turn Temporal and
// PostgreSQL are killed. The run itself verifies the records of both sides and replays all histories.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Report } from '../../chaos/report.ts';
import type { Cluster } from '../../harness/cluster/cluster.ts';
import { projectPath } from '../../src/paths.ts';
import { startTestCluster } from './test-cluster.ts';

const SESSIONS = 30;
const CALLS = 10;
const MINUTES = 3;
const SEED = process.env.CHAOS_SEED ?? '1';
/** Between two kills of the cluster, so that the router works in between. */
const GAP_MS = 25_000;
const NO_MORE_KILLS = 'no more kills';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});
afterAll(() => cluster?.close());

it('loses nothing and runs nothing twice while every part is killed', async () => {
  const options = {
    sessions: SESSIONS,
    calls: CALLS,
    minutes: MINUTES,
    seed: SEED,
    temporal: cluster.address,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const chaos = spawn(process.execPath, [projectPath('chaos/main.ts'), ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(chaos, 'close');
  let report = '';
  chaos.stdout.setEncoding('utf8').on('data', (text: string) => {
    report += text;
  });
  const over = new AbortController();
  createInterface({ input: chaos.stderr }).on('line', (line) => {
    process.stderr.write(`${line}\n`);
    if (line.includes(NO_MORE_KILLS)) over.abort();
  });
  void ended.then(() => over.abort());

  const kills = { Temporal: 0, PostgreSQL: 0 };
  while (!over.signal.aborted) {
    await sleep(GAP_MS, undefined, { signal: over.signal }).catch(() => undefined);
    if (over.signal.aborted) break;
    if (kills.Temporal === kills.PostgreSQL) {
      await cluster.restartServer();
      kills.Temporal += 1;
    } else {
      await cluster.restartPostgres();
      kills.PostgreSQL += 1;
    }
  }
  const [code] = (await ended) as [number | null];
  const { counters, findings, sessions, histories, kills: others, calls } = JSON.parse(report) as Report;
  expect(findings).toEqual([]);
  expect(code).toBe(0);
  expect(Object.values(counters).filter((count) => count > 0)).toEqual([]);
  expect(sessions).toBe(SESSIONS);
  expect(calls.planned).toBeGreaterThan(SESSIONS * CALLS * 0.8);
  // Histories of the sessions and of their environment.
  expect(histories).toBeGreaterThan(SESSIONS);
  expect(Math.min(kills.Temporal, kills.PostgreSQL, others['kill worker'] ?? 0)).toBeGreaterThan(1);
});
