// Webhooks made durable a second, beside a bare loop of `signalWithStart` on the same server.
import { startWorld, type World } from '../../harness/world.ts';
import { deliver } from '../deliver.ts';
import { percentile } from '../percentile.ts';
import type { Curve, Row, Setup } from './curve.ts';
import { atOnce } from './sessions.ts';
import { cpuPercent, usageByPart } from './usage.ts';

/** Deliveries of each session: the first starts its workflow. */
const EACH = 10;
/** Of one round; fewer where few are under way at once. */
const SIGNALS = 1_000;
const SIGNALS_PER_SIZE = 300;
const QUICK_SIGNALS = 20;
const ROUNDS = 3;

type Send = (sessionId: string, number: number) => Promise<void>;

/** No worker runs: workflows are started and signalled, and none of them uses the machine. */
export const deliveries: Curve = {
  summary: 'webhooks made durable a second, beside a bare loop of signalWithStart',
  of: 'deliveries under way at once',
  sizes: [1, 8, 32, 128],
  quickSizes: [1, 4],
  async *measure(sizes, setup) {
    const world = await startWorld({
      stateDir: setup.folder(),
      workers: 0,
      onStarted: setup.log,
      ...(await setup.temporal()),
    });
    try {
      const ours: Send = (id, number) => deliver(world, id, `whe_${id}_${number}`);
      await run(ours, 'warm', 8, setup.quick ? QUICK_SIGNALS : SIGNALS);
      await run(bareOf(world), 'warm-bare', 8, setup.quick ? QUICK_SIGNALS : SIGNALS);
      for (const size of sizes) yield await measureAt(world, ours, size, setup);
    } finally {
      await world.close();
    }
  },
};

async function measureAt(world: World, ours: Send, size: number, { quick, log }: Setup): Promise<Row> {
  const count = quick ? QUICK_SIGNALS : Math.min(SIGNALS, SIGNALS_PER_SIZE * size);
  const rates: Record<'ours' | 'bare', number[]> = { ours: [], bare: [] };
  const ms: Record<'ours' | 'bare', number[]> = { ours: [], bare: [] };
  let cpu: Record<string, number> = {};
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    for (const kind of ['ours', 'bare'] as const) {
      const before = usageByPart();
      const { seconds, each } = await run(
        kind === 'ours' ? ours : bareOf(world),
        `sesn_${kind}_${size}_${round}`,
        size,
        count,
      );
      if (kind === 'ours') cpu = cpuPercent(before, usageByPart(), seconds);
      rates[kind].push(count / seconds);
      ms[kind].push(...each);
    }
  }
  const [router, bare] = [percentile(rates.ours, 0.5), percentile(rates.bare, 0.5)];
  log(`${size} at once: ${router.toFixed(0)} a second`);
  return {
    'at once': size,
    'a second': router,
    'bare a second': bare,
    ratio: router / bare,
    'p50 ms': percentile(ms.ours, 0.5),
    'p95 ms': percentile(ms.ours, 0.95),
    'bare p50 ms': percentile(ms.bare, 0.5),
    'webhook CPU %': cpu.webhook ?? 0,
    'Temporal CPU %': (cpu.temporal ?? 0) + (cpu.postgres ?? 0),
    'sender CPU %': cpu.bench ?? 0,
  };
}

function bareOf({ temporal, names }: World): Send {
  return async (id, number) => {
    await temporal.client.workflow.signalWithStart('bare', {
      workflowId: `bare-${id}`,
      taskQueue: `${names.taskQueue}-bare`,
      signal: 'hint',
      signalArgs: [{ eventId: `whe_${id}_${number}`, type: 'session.status_run_started' }],
    });
  };
}

async function run(send: Send, prefix: string, size: number, count: number) {
  const each: number[] = [];
  const begunAt = performance.now();
  await atOnce(
    Array(count).keys(),
    async (number) => {
      const sentAt = performance.now();
      await send(`${prefix}_${Math.floor(number / EACH)}`, number);
      each.push(performance.now() - sentAt);
    },
    size,
  );
  return { seconds: (performance.now() - begunAt) / 1000, each };
}
