// A session with very many events: how long listing them takes, and how soon the router has caught up.
import { setTimeout as sleep } from 'node:timers/promises';
import { statusOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { startWorld, type World } from '../../harness/world.ts';
import { percentile } from '../percentile.ts';
import type { Curve } from './curve.ts';
import { usageByPart } from './usage.ts';

/** Of the simulator's limit on a message, far less. */
const SAY_AT_ONCE = 2_000;
const TURNS = 5;
const PAGE = 1_000;

export const longSession: Curve = {
  summary: 'listing and catching up in a session of very many events',
  of: 'events',
  sizes: [1_000, 5_000, 10_000, 20_000],
  quickSizes: [100],
  async *measure(sizes, setup) {
    const world = await startWorld({
      stateDir: setup.folder(),
      switches: ['model-delay-ms=0'],
      workers: 1,
      graceSeconds: 1,
      onStarted: setup.log,
      ...(await setup.temporal()),
    });
    try {
      const sessionId = await openSession(world);
      await takeTurn(world.anthropic, sessionId, commands('true'));
      const empty = usageByPart().worker.rss;
      for (const size of sizes) {
        const events = await grow(world, sessionId, size);
        setup.log(`the session has ${events} events`);
        const { seconds } = await timed(() => eventsOf(world.anthropic, sessionId));
        const pausedMs: number[] = [];
        const hotMs: number[] = [];
        for (let turn = 0; turn < (setup.quick ? 1 : TURNS); turn += 1) {
          await untilPaused(world, sessionId);
          pausedMs.push(await firstResult(world, sessionId));
          hotMs.push(await firstResult(world, sessionId));
        }
        yield {
          events,
          'listing them all, ms': seconds * 1000,
          'requests to list': Math.ceil(events / PAGE),
          'paused: first result p50 ms': percentile(pausedMs, 0.5),
          'paused: slowest ms': Math.max(...pausedMs),
          'hot: first result p50 ms': percentile(hotMs, 0.5),
          'worker MiB, before': empty,
          'worker MiB': usageByPart().worker.rss,
        };
      }
    } finally {
      await world.close();
    }
  },
};

/** @returns how many events the session has then */
async function grow(world: World, sessionId: string, size: number): Promise<number> {
  for (;;) {
    const { length } = await eventsOf(world.anthropic, sessionId);
    if (length >= size) return length;
    const say = Array(Math.min(SAY_AT_ONCE, size - length)).fill({ say: 'Still at it.' });
    await takeTurn(world.anthropic, sessionId, `Please:\n\`\`\`tools\n${JSON.stringify(say)}\n\`\`\``);
  }
}

/** Milliseconds from the message to the result of the turn's only call. */
async function firstResult(world: World, sessionId: string): Promise<number> {
  const sentAt = performance.now();
  let resultAt = Number.NaN;
  await takeTurn(world.anthropic, sessionId, commands('true'), (event) => {
    if (event.type === 'user.tool_result') resultAt = performance.now();
  });
  return resultAt - sentAt;
}

async function untilPaused(world: World, sessionId: string): Promise<void> {
  await until('the session is paused', async () => (await statusOf(world, sessionId)).phase === 'paused');
  await sleep(100);
}

async function timed(work: () => Promise<unknown>): Promise<{ seconds: number }> {
  const begunAt = performance.now();
  await work();
  return { seconds: (performance.now() - begunAt) / 1000 };
}
