// Tool calls a second over sessions that all make calls, one after another, each in a sandbox of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../harness/free-port.ts';
import { commands, sendMessage, takeTurn } from '../../harness/turns.ts';
import { startWorld } from '../../harness/world.ts';
import { percentile } from '../percentile.ts';
import type { Curve, Row, Setup } from './curve.ts';
import { answeredBetween, atOnce, openSessions } from './sessions.ts';
import { cpuPercent, usageByPart } from './usage.ts';

/** More than a session makes while it is measured. */
const CALLS = 400;
const WARM_MS = 6_000;
const WINDOW_MS = 25_000;
const QUICK_MS = 2_000;
/** Sandboxes that start at the same moment. */
const STARTS = 8;

export const calls: Curve = {
  summary: 'tool calls a second over many sessions at work',
  of: 'sessions',
  sizes: [50, 200],
  quickSizes: [2],
  async *measure(sizes, setup) {
    for (const size of sizes) yield await measureAt(size, setup);
  },
};

async function measureAt(size: number, setup: Setup): Promise<Row> {
  const world = await startWorld({
    stateDir: setup.folder(),
    // Without a model's delay, the next call follows its result at once.
    switches: ['model-delay-ms=0'],
    workers: 0,
    graceSeconds: 600,
    onStarted: setup.log,
    ...(await setup.temporal()),
  });
  try {
    const adminPorts = await Promise.all(Array.from({ length: setup.workers }, freePort));
    for (const port of adminPorts) await world.addWorker({ ADMIN_PORT: String(port) });
    const requests = () => requestsToAnthropic(adminPorts);
    const ids = await openSessions(world, size, async () => undefined);
    const ready = (id: string) => takeTurn(world.anthropic, id, commands('true'));
    await atOnce(ids, async (id) => void (await ready(id)), STARTS);
    setup.log(`${size} sessions have a sandbox`);
    await atOnce(ids, (id) => sendMessage(world.anthropic, id, commands(...Array(CALLS).fill('true'))));
    await sleep(setup.quick ? QUICK_MS : WARM_MS);
    const [from, before, asked] = [Date.now(), usageByPart(), await requests()];
    await sleep(setup.quick ? QUICK_MS : WINDOW_MS);
    const [until, after, askedAfter] = [Date.now(), usageByPart(), await requests()];
    const { counts, callMs } = await answeredBetween(world, ids, from, until);
    const seconds = (until - from) / 1000;
    const total = counts.reduce((sum, count) => sum + count, 0);
    const cpu = cpuPercent(before, after, seconds);
    const msEach = (...percents: number[]) =>
      (percents.reduce((sum, percent) => sum + percent, 0) * 10 * seconds) / total;
    return {
      sessions: size,
      workers: setup.workers,
      'calls/s': total / seconds,
      'p50 ms': percentile(callMs, 0.5),
      'p95 ms': percentile(callMs, 0.95),
      'fewest of a session': Math.min(...counts),
      'most of a session': Math.max(...counts),
      'requests/call': (askedAfter - asked) / total,
      'CPU ms/call: worker': msEach(cpu.worker),
      webhook: msEach(cpu.webhook),
      Temporal: msEach(cpu.temporal, cpu.postgres),
      'simulators, sandboxes': msEach(cpu.simulators, cpu.sandboxes),
      'worker MiB': after.worker.rss,
    };
  } finally {
    await world.close();
  }
}

/** Requests that these workers have sent to the Managed Agents API: posted results, events read, leases kept. */
async function requestsToAnthropic(adminPorts: number[]): Promise<number> {
  let requests = 0;
  for (const port of adminPorts) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (const line of text.split('\n'))
      if (/^\S*service_requests\S*\{[^}]*service="anthropic"/.test(line))
        requests += Number(line.split(' ').at(-1));
  }
  return requests;
}
