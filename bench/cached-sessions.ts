// `npm run bench:cached`: memory of one worker process with idle sessions in its cache. Each session has had one turn, its
// sandbox is paused, and its workflow waits. Prints MiB for each number of sessions, and KiB that each session adds.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Child, startChild } from '../harness/child.ts';
import { exitOnSignal } from '../harness/exit-on-signal.ts';
import { IMAGE_SETTINGS } from '../harness/image-settings.ts';
import { startTemporal } from '../harness/temporal-server.ts';
import { createSessions } from '../src/clients/sessions.ts';
import { connectTemporal } from '../src/clients/temporal.ts';
import { openIdleSession } from './idle-session.ts';
import { percentile } from './percentile.ts';

const HELP = `Measures the memory of one worker with idle sessions in its cache.

Usage: npm run bench:cached [-- options]

  --sessions LIST      numbers of sessions, ascending (default 0,250,500,1000)
  --calls N            tool calls that each session has made in its turn (default 5)
  --node-options=TEXT  NODE_OPTIONS of the worker (default: those of the image)
  --help               show this text
`;

const SETTINGS = { graceMs: 50, retentionMs: 86_400_000, searchAttributes: false };
const BATCH = 10;
/** The memory is sampled this often, after the sessions are idle. */
const SAMPLES = 20;
const SAMPLE_EVERY_MS = 500;

/** Resident memory over some seconds, in MiB. */
async function sample({ pid }: Child): Promise<{ min: number; median: number; max: number }> {
  const seen: number[] = [];
  while (seen.length < SAMPLES) {
    await sleep(SAMPLE_EVERY_MS);
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    seen.push(Number(line?.[1]) / 1024);
  }
  const [min = 0, median = 0, max = 0] = [0, 0.5, 1].map((share) => percentile(seen, share));
  return { min, median, max };
}

async function measure(sizes: number[], calls: number, nodeOptions: string): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const server = await startTemporal({ logFile: join(stateDir, 'temporal.log') });
  const temporal = await connectTemporal({
    connectionOptions: { address: server.address },
    namespace: 'default',
  });
  const sessions = createSessions(temporal.client, { environmentId: 'env_bench', settings: SETTINGS });
  const worker = await startChild(
    'worker',
    [fileURLToPath(new URL('./cached-sessions-worker.ts', import.meta.url))],
    {
      env: {
        BENCH_TEMPORAL: server.address,
        BENCH_CACHED: String(Math.max(...sizes, 10)),
        ...IMAGE_SETTINGS,
        NODE_OPTIONS: nodeOptions,
      },
      cwd: stateDir,
      logFile: join(stateDir, 'worker.log'),
    },
  );
  try {
    process.stdout.write(
      `NODE_OPTIONS="${nodeOptions}", ${calls} calls each\nsessions   min  median   max  KiB each\n`,
    );
    let open = 0;
    let empty: number | undefined;
    for (const size of sizes) {
      const missing = Array.from({ length: size - open }, (_, index) => open + index).values();
      await Promise.all(
        Array.from({ length: BATCH }, async () => {
          for (const number of missing) await openIdleSession(temporal, sessions, number, calls);
        }),
      );
      open = size;
      const { min, median, max } = await sample(worker);
      empty ??= min;
      const each = size ? (((min - empty) * 1024) / size).toFixed(0) : '';
      const cells = [min, median, max].map((mib) => mib.toFixed(0).padStart(6));
      process.stdout.write(`${String(size).padStart(8)}${cells.join('')}${each.padStart(10)}\n`);
    }
  } finally {
    await worker.stop();
    await temporal.connection.close();
    await server.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

exitOnSignal();

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '0,250,500,1000' },
    calls: { type: 'string', default: '5' },
    'node-options': { type: 'string', default: IMAGE_SETTINGS.NODE_OPTIONS },
    help: { type: 'boolean', short: 'h' },
  },
});
const sizes = values.sessions.split(',').map(Number);
const calls = Number(values.calls);
const isAscending = sizes.every((size, index) => size >= (sizes[index - 1] ?? 0));
if (values.help) process.stdout.write(HELP);
else if (!isAscending || !(calls >= 1)) {
  process.stderr.write(`--sessions takes numbers in ascending order, --calls a number from 1\n\n${HELP}`);
  process.exitCode = 2;
} else await measure(sizes, calls, values['node-options']);
