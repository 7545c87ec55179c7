// Webhooks made durable a second, beside a bare loop of `signalWithStart` on the same server.
import { startWorld, type World } from '../../harness/world.ts';
import { percentile } from '../percentile.ts';
import type { Curve, Row, Setup } from './curve.ts';
import { bareSignals, Deliveries, type Prepare } from './delivery-senders.ts';
import { atOnce } from './sessions.ts';
import { type Part, usageByPart } from './usage.ts';
import { startWatches } from './watched.ts';

/** Of one round; fewer where few are under way at once. */
const SIGNALS = 1_000;
const SIGNALS_PER_SIZE = 300;
const QUICK_SIGNALS = 20;
const ROUNDS = 3;
/** Deliveries of a new session: the first starts its workflow. */
const EACH = 10;

/**
 * What the deliveries are about; the bare loop signals as many workflows as often, whatever the router saves.
 * - `new`: ten of each new session, one right after the other
 * - `unwatched`: one of each session that has sent one a moment ago; no worker runs, so nothing watches it
 * - `watched`: the same, and a watch follows the session, as in a session at work
 */
const MIXES = ['new', 'unwatched', 'watched'] as const;
type Mix = (typeof MIXES)[number];
type Kind = 'ours' | 'bare';

interface Measured {
  rates: number[];
  ms: number[];
  /** Milliseconds of CPU for each delivery, of each round. */
  cpu: Record<Part, number>[];
}

/** No worker runs: workflows are started and signalled, and none of them uses the machine. */
export const deliveries: Curve = {
  summary:
    'webhooks made durable a second, beside a bare loop of signalWithStart (mix: 1 new, 2 unwatched, 3 watched)',
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
    const ours = new Deliveries(world);
    try {
      const senders = { ours: ours.prepare, bare: bareSignals(world) };
      await prepareSessions(world, senders, setup);
      for (const size of sizes) yield* await measureAt(senders, size, setup);
      await checkWatched(world);
    } finally {
      ours.close();
      await world.close();
    }
  },
};

async function prepareSessions(world: World, senders: Record<Kind, Prepare>, setup: Setup): Promise<void> {
  const count = setup.quick ? QUICK_SIGNALS : SIGNALS;
  // Watches first: later other sessions have workflow tasks in the same queue.
  for (const mix of ['watched', 'unwatched', 'new'] as const) {
    for (const prepare of Object.values(senders))
      await run(prepare(sessionsOf(mix, 'warm', count)), 8, count);
    if (mix === 'watched') await startWatches(world, count);
  }
  setup.log(`${count} sessions are watched`);
}

async function measureAt(
  senders: Record<Kind, Prepare>,
  size: number,
  { quick, log }: Setup,
): Promise<Row[]> {
  const count = quick ? QUICK_SIGNALS : Math.min(SIGNALS, SIGNALS_PER_SIZE * size);
  const none = (): Measured => ({ rates: [], ms: [], cpu: [] });
  const measured = Object.fromEntries(MIXES.map((mix) => [mix, { ours: none(), bare: none() }]));
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1)
    for (const mix of MIXES)
      for (const kind of ['ours', 'bare'] as const) {
        const ids = sessionsOf(mix, `${size}-${round}`, count);
        // A moment ago, so that the webhook server knows the sessions.
        if (mix !== 'new' && kind === 'ours') await run(senders.ours(ids), size, count);
        const { seconds, each, cpu } = await run(senders[kind](ids), size, count);
        const into = (measured[mix] as Record<Kind, Measured>)[kind];
        into.rates.push(count / seconds);
        into.ms.push(...each);
        into.cpu.push(cpu);
      }
  return MIXES.map((mix) => {
    const { ours, bare } = measured[mix] as Record<Kind, Measured>;
    const row = rowOf(mix, size, ours, bare);
    log(`${size} at once, ${mix}: ${row['a second']?.toFixed(0)} a second, ${row.ratio?.toFixed(2)} of bare`);
    return row;
  });
}

function rowOf(mix: Mix, size: number, ours: Measured, bare: Measured): Row {
  const [router, loop] = [percentile(ours.rates, 0.5), percentile(bare.rates, 0.5)];
  const cpu = ({ cpu }: Measured, ...parts: Part[]) =>
    cpu.reduce((sum, each) => sum + parts.reduce((all, part) => all + each[part], 0), 0) / cpu.length;
  return {
    mix: MIXES.indexOf(mix) + 1,
    'at once': size,
    'a second': router,
    'bare a second': loop,
    ratio: router / loop,
    'p50 ms': percentile(ours.ms, 0.5),
    'p95 ms': percentile(ours.ms, 0.95),
    'bare p50 ms': percentile(bare.ms, 0.5),
    'CPU ms: sender': cpu(ours, 'bench'),
    webhook: cpu(ours, 'webhook'),
    Temporal: cpu(ours, 'temporal', 'postgres'),
    'bare: sender': cpu(bare, 'bench'),
    'bare: Temporal': cpu(bare, 'temporal', 'postgres'),
  };
}

function sessionsOf(mix: Mix, round: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    mix === 'new' ? `sesn_${round}_${Math.floor(index / EACH)}` : `sesn_${mix}_${index}`,
  );
}

/** @throws Error if Temporal took none of the watched sessions for watched: the third mixture would be like the second */
async function checkWatched({ webhookUrl }: World): Promise<void> {
  const { deliveries } = (await (await fetch(`${webhookUrl}/health`)).json()) as {
    deliveries: Record<string, Record<string, number>>;
  };
  const { watched = 0 } = deliveries['session.status_run_started'] ?? {};
  if (watched === 0) throw new Error('no delivery was about a watched session');
}

async function run(send: (index: number) => Promise<unknown>, size: number, count: number) {
  const each: number[] = [];
  const before = usageByPart();
  const begunAt = performance.now();
  await atOnce(
    Array(count).keys(),
    async (index) => {
      const sentAt = performance.now();
      await send(index);
      each.push(performance.now() - sentAt);
    },
    size,
  );
  const seconds = (performance.now() - begunAt) / 1000;
  const after = usageByPart();
  const cpu = Object.fromEntries(
    Object.entries(after).map(([part, { cpu: used }]) => [
      part,
      (1000 * (used - before[part as Part].cpu)) / count,
    ]),
  ) as Record<Part, number>;
  return { seconds, each, cpu };
}
