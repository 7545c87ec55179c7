// One run: the sessions live while blows and faults fall; then all is quiet, what is left ends, and the records are
// read and judged.
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW } from '../workflows/messages.ts';
import { Client, sleep } from './client.ts';
import { liveSandboxes, workItems } from './evidence.ts';
import { Faults } from './faults.ts';
import { type Struck, strike } from './kills.ts';
import type { Options } from './options.ts';
import { planSessions } from './plan.ts';
import { Recovery } from './recovery.ts';
import { planBlows } from './schedule.ts';
import { liveSessions, type SessionSeen } from './sessions.ts';
import type { View } from './view.ts';
import type { ChaosWorld } from './world.ts';

export interface Aftermath {
  seen: SessionSeen[];
  struck: Struck[];
  faults: Record<string, number>;
  recovery: Recovery;
}

/** New sessions begin during this share of the run. */
const SPREAD = 0.7;
/** Once all is quiet, what has not moved for so long is stuck; a slow machine alone is no reason to give up. */
const STUCK_AFTER_MS = 180_000;
const LOOK_EVERY_MS = 1_000;

export async function runChaos(
  { world, webhooks }: ChaosWorld,
  options: Options,
  reconcileSeconds: number,
  view: View,
): Promise<Aftermath> {
  const { seed, sessions, calls } = options;
  const durationMs = options.minutes * 60_000;
  const client = new Client(world);
  const faults = new Faults(world.admin, seed);
  const recovery = new Recovery(world.temporal);
  const giveUp = new AbortController();
  const memory = options.scope === 'session';
  const plans = planSessions({ seed, sessions, calls, memory, spreadMs: durationMs * SPREAD });

  await client.prepare();
  await faults.start();
  const striking = { world, webhooks, faults, recovery };
  const { struck, done: struckAll } = strike(striking, planBlows(seed, durationMs), durationMs);
  const { seen, done: lived } = liveSessions(client, plans, giveUp.signal);
  view.show({ seen, struck, faults });
  const over = sleep(durationMs);
  await Promise.all([over, struckAll]);

  await faults.stop();
  view.tell('all is quiet from here on: what is open has to end');
  await untilStuck(seen, lived, giveUp);
  await recovery.settled();
  await endAll(client, seen);
  await untilClear(world, reconcileSeconds, (line) => view.tell(line));
  for (const session of seen) if (session.storeId) session.store = await client.store(session.storeId);
  return { seen, struck, faults: faults.counts(), recovery };
}

/** Waits for the lives of all sessions, and gives up those that are left once no turn of any has ended for long. */
async function untilStuck(seen: SessionSeen[], lived: Promise<void>, giveUp: AbortController): Promise<void> {
  const turnsEnded = () =>
    seen.flatMap(({ turns }) => turns.filter(({ endedAt }) => endedAt !== null)).length;
  let known = turnsEnded();
  let movedAt = Date.now();
  const look = setInterval(() => {
    const ended = turnsEnded();
    if (ended !== known) movedAt = Date.now();
    known = ended;
    if (Date.now() - movedAt > STUCK_AFTER_MS) giveUp.abort(new Error('no turn has ended for three minutes'));
  }, LOOK_EVERY_MS);
  await lived;
  clearInterval(look);
}

/** Ends the sessions that rested until now, and such as were made by a request whose answer was lost. */
async function endAll(client: Client, seen: SessionSeen[]): Promise<void> {
  const open = new Set(seen.filter(({ events }) => !events).map(({ id }) => id));
  for (const id of await client.sessions()) {
    // One whose turn is open stays as it is, for whoever looks into it.
    if (open.has(id)) continue;
    const session = seen.find((one) => one.id === id);
    if (session?.endedAt) continue;
    if (session) session.endedAt = Date.now();
    await client.end(id, 'archive');
  }
}

/** Waits until nothing is left, or two reconciles have passed that should have seen to it. */
async function untilClear(
  world: World,
  reconcileSeconds: number,
  tell: (line: string) => void,
): Promise<void> {
  const end = Date.now() + (2 * reconcileSeconds + 30) * 1000;
  let told = 0;
  for (;;) {
    const open = (await workItems(world)).filter(({ state }) => state !== 'stopped').length;
    const sandboxes = (await liveSandboxes(world)).length;
    const query = `ExecutionStatus = 'Running' AND WorkflowType = '${SESSION_WORKFLOW}'`;
    const { count } = await world.temporal.client.workflow.count(query);
    if (open + sandboxes + count === 0 || Date.now() > end) return;
    if (Date.now() > told + 10_000) {
      tell(`left: ${count} workflows, ${sandboxes} sandboxes, ${open} work items`);
      told = Date.now();
    }
    await sleep(500);
  }
}
