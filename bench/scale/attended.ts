// Sessions in a turn at once, all watched by one worker, while together they make a constant number of calls a second.
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../harness/free-port.ts';
import { IMAGE_SETTINGS } from '../../harness/image-settings.ts';
import { sendMessage } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { startWorld } from '../../harness/world.ts';
import { percentile } from '../percentile.ts';
import type { Curve, Row, Setup } from './curve.ts';
import { answeredBetween, openSessions } from './sessions.ts';
import { cpuPercent, usageByPart } from './usage.ts';

const CALLS_PER_SECOND = 5;
/** Sandboxes are prepared and first calls made for a while after all sessions are watched. */
const SETTLE_MS_EACH = 35;
const WINDOW_MS = 30_000;
const QUICK_MS = 2_000;
const OPEN_WITHIN_MS = 420_000;
const LOG_EVERY_MS = 2_000;
const HEAP_OF_IMAGE_FOR = 1000;
/** Turns last longer than their sessions take to open. */
const TURN_MS = 900_000;

export const attended: Curve = {
  summary: 'sessions in a turn at once, all watched by one worker',
  of: 'sessions',
  sizes: [100, 500, 1000, 2000],
  quickSizes: [3],
  async *measure(sizes, setup) {
    for (const size of sizes) yield await measureAt(size, setup);
  },
};

async function measureAt(size: number, setup: Setup): Promise<Row> {
  const adminPort = await freePort();
  const world = await startWorld({
    stateDir: setup.folder(),
    workers: 1,
    // One sandbox for all: sandboxes cost the worker no memory of their own.
    settings: async () => ({
      ROUTING_SCOPE: 'environment',
      // The worker starts first and takes it.
      ADMIN_PORT: String(adminPort),
      WORKER_MAX_WATCHED_SESSIONS: String(size + 100),
      WORKER_MAX_CACHED_WORKFLOWS: String(size + 100),
      ...IMAGE_SETTINGS,
      NODE_OPTIONS: heapFor(size),
    }),
    onStarted: setup.log,
    ...(await setup.temporal()),
  });
  try {
    const openedAt = Date.now();
    const idle = usageByPart().worker.rss;
    const periodMs = (size / CALLS_PER_SECOND) * 1000;
    const ids = await openSessions(world, size, (id) =>
      sendMessage(world.anthropic, id, turnOf(setup.quick ? QUICK_MS / 4 : periodMs)),
    );
    setup.log(`${size} sessions are open after ${seconds(openedAt)} s`);
    await until(
      `one worker watches ${size} sessions`,
      async () => {
        const watched = await watchedBy(adminPort);
        setup.log(`${watched} watched after ${seconds(openedAt)} s`);
        if (watched >= size) return true;
        await sleep(setup.quick ? 100 : LOG_EVERY_MS);
        return false;
      },
      OPEN_WITHIN_MS,
    );
    const openSeconds = seconds(openedAt);
    await sleep(setup.quick ? QUICK_MS : size * SETTLE_MS_EACH);
    const [from, before] = [Date.now(), usageByPart()];
    await sleep(setup.quick ? QUICK_MS : WINDOW_MS);
    const [to, after] = [Date.now(), usageByPart()];
    const { counts, callMs } = await answeredBetween(world, ids, from, to);
    const cpu = cpuPercent(before, after, (to - from) / 1000);
    if (!world.workers[0]?.running()) throw new Error('the worker has ended');
    return {
      sessions: size,
      'opened in s': openSeconds,
      'calls/s': (counts.reduce((sum, count) => sum + count, 0) * 1000) / (to - from),
      'p50 ms': percentile(callMs, 0.5),
      'p95 ms': percentile(callMs, 0.95),
      'worker CPU %': cpu.worker,
      'Temporal CPU %': cpu.temporal + cpu.postgres,
      'simulators CPU %': cpu.simulators + cpu.sandboxes,
      'worker MiB, empty': idle,
      'worker MiB': after.worker.rss,
    };
  } finally {
    await world.close();
  }
}

/** The heap of the image is for 1,000 sessions; more of them get it in proportion. */
function heapFor(size: number): string {
  return IMAGE_SETTINGS.NODE_OPTIONS.replace(/(?<=--max-old-space-size=)\d+/, (mib) =>
    String(Math.ceil(Number(mib) * Math.max(1, size / HEAP_OF_IMAGE_FOR))),
  );
}

/** A long turn with a call every so often; the first comes at any moment of that time. */
function turnOf(periodMs: number): string {
  const call = [{ name: 'bash', input: { command: 'true' } }];
  const steps: unknown[] = [{ wait_ms: Math.round(Math.random() * periodMs) }, call];
  for (let at = 0; at < TURN_MS; at += periodMs) steps.push({ wait_ms: Math.round(periodMs) }, call);
  return `Please:\n\`\`\`tools\n${JSON.stringify(steps)}\n\`\`\``;
}

/** Slots for watches that the worker uses. */
async function watchedBy(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const lines = text
    .split('\n')
    .filter(
      (line) => line.startsWith('temporal_worker_task_slots_used') && line.includes('-session-watches'),
    );
  return Math.max(0, ...lines.map((line) => Number(line.split(' ').at(-1))));
}

function seconds(since: number): number {
  return Math.round((Date.now() - since) / 1000);
}
