// Idle sessions: memory of one worker, size of the database, and how soon a session wakes. The worker's activities answer
// at once (bench/cached-sessions-worker.ts): ten thousand sessions would otherwise need ten thousand sandboxes. A sample has
// taken a turn; the others begin as a session that rests and continues as new does (carried-over.ts).
import { readFileSync } from 'node:fs';
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
import { carriedOver, untilNoTasks } from './carried-over.ts';
import type { Curve } from './curve.ts';
import { databaseMiB } from './database-size.ts';
import { atOnce } from './sessions.ts';
import { usageByPart } from './usage.ts';

/** Default of the product; sessions beyond it are replayed when they wake. */
const CACHED = 1000;
/** Sessions that have taken a turn, and its calls. */
const SAMPLE = 60;
const QUICK_SAMPLE = 2;
const CALLS = 5;
/** At each size; of the sample, its share. A session wakes once: waking again with nothing to do, it would be paced. */
const WAKES = 30;
const WAKE_WITHIN_MS = 30_000;
const SETTINGS = { graceMs: 50, retentionMs: 86_400_000, searchAttributes: true };
const SETTLE_MS = 5_000;

export const idle: Curve = {
  summary: 'idle sessions: memory of a worker that keeps 1,000 in its cache, database, time to wake',
  of: 'idle sessions',
  sizes: [100, 1000, 5000, 10_000],
  quickSizes: [3, 6],
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
    /** MiB by which the work lets the database grow, and its seconds. */
    const grown = async (work: () => Promise<void>) => {
      const [before, begunAt] = [databaseMiB(dbFile), Date.now()];
      await work();
      const seconds = (Date.now() - begunAt) / 1000;
      await sleep(setup.quick ? 0 : SETTLE_MS);
      return { MiB: databaseMiB(dbFile) - before, seconds };
    };
    try {
      const sessions = createSessions(temporal.client, { environmentId: 'env_bench', settings: SETTINGS });
      const emptyMiB = usageByPart().worker.rss;
      const sample = setup.quick ? QUICK_SAMPLE : Math.min(SAMPLE, sizes[0] ?? 0);
      const ofSample = await grown(() =>
        atOnce(Array(sample).keys(), (number) => openIdleSession(temporal, sessions, number, CALLS)),
      );
      setup.log(`${sample} sessions have taken a turn, in ${ofSample.seconds.toFixed(0)} s`);
      const startAtRest = await carriedOver(temporal, sessions);
      const woken = new Set<number>();
      const wakes = async (candidates: number[], count: number) => {
        const ms: number[] = [];
        const asleep = candidates.filter((number) => !woken.has(number));
        for (const number of spread(asleep, count)) {
          woken.add(number);
          ms.push(await wake(sessions, number, worker.logFile));
        }
        return ms;
      };
      let open = sample;
      let others = 0;
      for (const size of sizes) {
        const numbers = range(open, size);
        const { MiB, seconds } = await grown(async () => {
          await atOnce(numbers, startAtRest);
          await untilNoTasks(temporal);
        });
        open = size;
        others += MiB;
        setup.log(`${size} sessions are idle, the last ${numbers.length} after ${seconds.toFixed(0)} s`);
        const { worker: ofWorker, temporal: ofServer } = usageByPart();
        // The older ones first: waking the others would drop them from the cache.
        const sampleMs = await wakes(range(0, sample), Math.floor(sample / sizes.length));
        const othersMs = await wakes(range(sample, size), WAKES);
        yield {
          'idle sessions': size,
          'in cache': Math.min(size, CACHED),
          'worker MiB, empty': emptyMiB,
          'worker MiB': ofWorker.rss,
          'Temporal MiB': ofServer.rss,
          'database MiB': ofSample.MiB + others,
          'KiB each after a turn': (ofSample.MiB * 1024) / sample,
          'KiB each carried over': (others * 1024) / (size - sample),
          'wake p50 ms': percentile(sampleMs, 0.5),
          'wake p95 ms': percentile(sampleMs, 0.95),
          'carried over: wake p50 ms': percentile(othersMs, 0.5),
          'carried over: wake p95 ms': percentile(othersMs, 0.95),
        };
      }
    } finally {
      await worker.stop();
      await temporal.connection.close();
      await server.close();
    }
  },
};

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

/** At most `count` of them, from the whole list. */
function spread(numbers: number[], count: number): number[] {
  const most = Math.min(count, numbers.length);
  return Array.from(
    { length: most },
    (_, index) => numbers[Math.floor((index * numbers.length) / most)] ?? 0,
  );
}

/** Milliseconds from a webhook's signal until the sandbox's activity runs. */
async function wake(sessions: Sessions, number: number, logFile: string): Promise<number> {
  const id = idleSessionId(number);
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
  return preparedAt - sentAt;
}

function preparations(logFile: string, sessionId: string): number[] {
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"${sessionId}"`))
    .map((line) => (JSON.parse(line) as { at: number }).at);
}
