// Idle sessions: memory of one worker, size of the database, and how soon a session wakes. The worker's activities answer
// at once (bench/cached-sessions-worker.ts): ten thousand sessions would otherwise need ten thousand sandboxes.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../../harness/child.ts';
import { IMAGE_SETTINGS } from '../../harness/image-settings.ts';
import { startTemporal } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';
import { createSessions, type Sessions } from '../../src/clients/sessions.ts';
import { connectTemporal } from '../../src/clients/temporal.ts';
import { projectPath } from '../../src/paths.ts';
import { idleSessionId, openIdleSession } from '../idle-session.ts';
import { percentile } from '../percentile.ts';
import type { Curve, Setup } from './curve.ts';
import { atOnce } from './sessions.ts';
import { usageByPart } from './usage.ts';

/** Default of the product; sessions beyond it are replayed when they wake. */
const CACHED = 1000;
const CALLS = 5;
const WAKES = 60;
const QUICK_WAKES = 2;
const WAKE_WITHIN_MS = 30_000;
const SETTINGS = { graceMs: 50, retentionMs: 86_400_000, searchAttributes: true };
const SETTLE_MS = 5_000;

export const idle: Curve = {
  summary: 'idle sessions: memory of a worker that keeps 1,000 in its cache, database, time to wake',
  of: 'idle sessions',
  sizes: [100, 1000, 5000, 10_000],
  quickSizes: [2, 4],
  async *measure(sizes, setup) {
    const stateDir = setup.folder();
    const dbFile = join(stateDir, 'temporal.db');
    const server = await startTemporal({ logFile: join(stateDir, 'temporal.log'), dbFile });
    const temporal = await connectTemporal({
      connectionOptions: { address: server.address },
      namespace: 'default',
    });
    const worker = await startChild('worker', [projectPath('bench/cached-sessions-worker.ts')], {
      env: { BENCH_TEMPORAL: server.address, BENCH_CACHED: String(CACHED), ...IMAGE_SETTINGS },
      cwd: stateDir,
      logFile: join(stateDir, 'worker.log'),
    });
    try {
      const sessions = createSessions(temporal.client, { environmentId: 'env_bench', settings: SETTINGS });
      const emptyMiB = databaseMiB(dbFile);
      let open = 0;
      for (const size of sizes) {
        const numbers = Array.from({ length: size - open }, (_, index) => open + index);
        const openedAt = Date.now();
        await atOnce(numbers, (number) => openIdleSession(temporal, sessions, number, CALLS));
        const seconds = (Date.now() - openedAt) / 1000;
        setup.log(`${size} sessions are idle after ${seconds.toFixed(0)} s`);
        await sleep(setup.quick ? 0 : SETTLE_MS);
        const { rss } = usageByPart().worker;
        const database = databaseMiB(dbFile) - emptyMiB;
        const wakeMs = await wakes(sessions, size, worker.logFile, setup);
        yield {
          'idle sessions': size,
          'in cache': Math.min(size, CACHED),
          'worker MiB': rss,
          'database MiB': database,
          'KiB a session': (database * 1024) / size,
          'wake p50 ms': percentile(wakeMs, 0.5),
          'wake p95 ms': percentile(wakeMs, 0.95),
          'sessions opened/s': numbers.length / seconds,
        };
        open = size;
      }
    } finally {
      await worker.stop();
      await temporal.connection.close();
      await server.close();
    }
  },
};

/** Milliseconds from a webhook's signal until the sandbox's activity runs, of sessions over the whole range of age. */
async function wakes(sessions: Sessions, size: number, logFile: string, { quick }: Setup): Promise<number[]> {
  const count = Math.min(size, quick ? QUICK_WAKES : WAKES);
  const wakeMs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = idleSessionId(Math.floor((index * size) / count));
    const sentAt = Date.now();
    await sessions.webhookReceived(id, {
      eventId: `whe_${id}_${sentAt}`,
      type: 'session.status_run_started',
    });
    const preparedAt = await until(
      `${id} wakes`,
      async () => preparations(logFile, id).find((at) => at >= sentAt),
      WAKE_WITHIN_MS,
    );
    wakeMs.push(preparedAt - sentAt);
  }
  return wakeMs;
}

function preparations(logFile: string, sessionId: string): number[] {
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"${sessionId}"`))
    .map((line) => (JSON.parse(line) as { at: number }).at);
}

/** With the writes that wait to be merged. */
function databaseMiB(file: string): number {
  const bytes = [file, `${file}-wal`].map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return bytes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
}
