// Many sessions in a turn at once, all attended by one worker: memory, and that all of them take their turn.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE_SETTINGS } from '../harness/image-settings.ts';
import { workflowOf } from '../harness/session-workflow.ts';
import { eventsOf, openSession, sendMessage } from '../harness/turns.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';

export interface Crowd {
  sessions: number;
  /** The most sessions whose watch was found to run at the same moment. */
  attendedAtOnce: number;
  ended: number;
  /** Of the worker, in MiB. */
  rss: { idle: number; peak: number };
  seconds: number;
}

/** The model thinks for so long before its one call that all sessions are in their turn by then. */
const modelMs = (sessions: number) => 30_000 + sessions * 300;
const BATCH = 20;

/**
 * Settings of the worlds in which it runs: one sandbox for all sessions stands in for one each. Memory is bounded
 * as in the image: on a machine with much of it, Node keeps garbage and the C library keeps freed memory.
 */
export const CROWD_SETTINGS = {
  ROUTING_SCOPE: 'environment',
  ...IMAGE_SETTINGS,
};

export async function crowd(world: World, sessions: number, log: (line: string) => void): Promise<Crowd> {
  const [worker] = world.workers;
  if (!worker) throw new Error('there is no worker');
  const idle = rssOf(worker.pid);
  let peak = idle;
  const sampling = setInterval(() => {
    peak = Math.max(peak, rssOf(worker.pid));
  }, 500);
  try {
    const startedAt = Date.now();
    const steps = [{ wait_ms: modelMs(sessions) }, [{ name: 'bash', input: { command: 'true' } }]];
    const text = `Please:\n\`\`\`tools\n${JSON.stringify(steps)}\n\`\`\``;
    const ids: string[] = [];
    await inBatches(Array.from({ length: sessions }), async () => {
      const sessionId = await openSession(world);
      await sendMessage(world.anthropic, sessionId, text);
      ids.push(sessionId);
    });
    log(`${sessions} sessions are open after ${seconds(startedAt)} s`);
    let attendedAtOnce = 0;
    while (attendedAtOnce < sessions && Date.now() - startedAt < modelMs(sessions)) {
      let attended = 0;
      await inBatches(ids, async (id) => {
        if (await isAttended(world, id)) attended += 1;
      });
      attendedAtOnce = Math.max(attendedAtOnce, attended);
      log(`${attended} attended after ${seconds(startedAt)} s, ${rssOf(worker.pid)} MiB`);
      await sleep(2_000);
    }
    let ended = 0;
    await until(
      'all turns have ended',
      async () => {
        ended = 0;
        await inBatches(ids, async (id) => {
          if (await hasEnded(world, id)) ended += 1;
        });
        log(`${ended} turns have ended after ${seconds(startedAt)} s, ${rssOf(worker.pid)} MiB`);
        await sleep(5_000);
        return ended === sessions;
      },
      3 * modelMs(sessions) + 300_000,
    ).catch((error: unknown) => log(String(error)));
    return { sessions, attendedAtOnce, ended, rss: { idle, peak }, seconds: seconds(startedAt) };
  } finally {
    clearInterval(sampling);
  }
}

async function isAttended(world: World, sessionId: string): Promise<boolean> {
  const described = await workflowOf(world, sessionId)
    .describe()
    .catch(() => null);
  // 2: the activity has started, in a slot of its own.
  return (
    described?.raw.pendingActivities?.some(
      ({ activityType, state }) => activityType?.name === 'watchSession' && state === 2,
    ) ?? false
  );
}

async function hasEnded(world: World, sessionId: string): Promise<boolean> {
  const last = (await eventsOf(world.anthropic, sessionId)).at(-1);
  return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn';
}

async function inBatches<Item>(items: Item[], each: (item: Item) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: BATCH }, async () => {
      for (const item of queue) await each(item);
    }),
  );
}

function seconds(since: number): number {
  return Math.round((Date.now() - since) / 1000);
}

/** MiB. */
function rssOf(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}
