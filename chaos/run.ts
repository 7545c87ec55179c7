// One run: the sessions run while processes are killed and faults injected; then the faults stop and all sessions end.
import { WITHOUT_HEARTBEAT_MS } from '../activities/reconcile/work.ts';
import { sleep } from '../activities/sleep.ts';
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW } from '../workflows/messages.ts';
import { startCanary } from './canary.ts';
import { Client } from './client.ts';
import { liveSandboxes, workItems } from './evidence.ts';
import { Faults } from './faults.ts';
import { carryOutKills, type Kill } from './kills.ts';
import type { Options } from './options.ts';
import { planSessions } from './plan.ts';
import { Recovery } from './recovery.ts';
import { type PlannedKill, planKills } from './schedule.ts';
import { type ObservedSession, runSessions } from './sessions.ts';
import type { View } from './view.ts';
import type { ChaosWorld } from './world.ts';

export interface RunResult {
  sessions: ObservedSession[];
  kills: Kill[];
  faults: Record<string, number>;
  recovery: Recovery;
  /** Requests that reached the address to which hostile sandboxes redirect. */
  redirected: string[];
}

/** New sessions begin during this share of the run. */
const SPREAD = 0.7;
/** What a session takes after the router has found it, on a slow machine: a resumed sandbox, calls, the end of its turn. */
const REPAIRED_WITHIN_MS = 60_000;
const POLL_MS = 1_000;

export async function runChaos(
  { world, webhooks }: ChaosWorld,
  options: Options,
  reconcileSeconds: number,
  view: View,
): Promise<RunResult> {
  const { seed, calls } = options;
  const durationMs = options.minutes * 60_000;
  const client = new Client(world);
  const canary = await startCanary();
  const faults = new Faults(world.admin, seed);
  const recovery = new Recovery(world.temporal);
  const giveUp = new AbortController();
  const memory = options.scope === 'session';
  const plans = planSessions({
    seed,
    sessions: options.sessions,
    calls,
    memory,
    // Sessions that share a hostile sandbox would be attacked, too, and their records would prove nothing.
    canary: options.scope === 'session' ? canary.url : null,
    spreadMs: durationMs * SPREAD,
  });

  await client.prepare();
  await faults.start();
  const context = { world, webhooks, faults, recovery };
  // A server that the run has not started belongs to its owner.
  const mayKill = ({ kind }: PlannedKill) => kind !== 'restart Temporal' || options.temporal === null;
  const schedule = planKills(seed, durationMs).filter(mayKill);
  const { kills, done: killsDone } = carryOutKills(context, schedule, durationMs);
  const { sessions, done: sessionsDone } = runSessions(client, plans, giveUp.signal);
  view.show({ sessions, kills, faults });
  const over = sleep(durationMs);
  await Promise.all([over, killsDone]);

  await faults.stop();
  view.print('no more kills and faults: all sessions have to end now');
  await untilDoneOrStuck(sessions, sessionsDone, giveUp, stuckAfterMs(reconcileSeconds));
  await recovery.settled();
  await endAll(client, sessions);
  await untilNothingLeft(world, reconcileSeconds, (line) => view.print(line));
  for (const session of sessions) if (session.storeId) session.store = await client.store(session.storeId);
  return { sessions, kills, faults: faults.counts(), recovery, redirected: canary.stop() };
}

/**
 * Sessions are stuck if no turn of any ends for this long without faults. The slowest repair is that of a lost work item:
 * a reconcile adopts it once it is silent, and the reconcile that runs at that moment may have passed it already.
 */
function stuckAfterMs(reconcileSeconds: number): number {
  return WITHOUT_HEARTBEAT_MS + 2 * reconcileSeconds * 1000 + REPAIRED_WITHIN_MS;
}

/** Waits for all sessions; aborts `giveUp` when no turn of any session has ended for `stuckAfter` milliseconds. */
async function untilDoneOrStuck(
  sessions: ObservedSession[],
  sessionsDone: Promise<void>,
  giveUp: AbortController,
  stuckAfter: number,
): Promise<void> {
  const turnsEnded = () =>
    sessions.flatMap(({ turns }) => turns.filter(({ endedAt }) => endedAt !== null)).length;
  let known = turnsEnded();
  let movedAt = Date.now();
  const timer = setInterval(() => {
    const ended = turnsEnded();
    if (ended !== known) movedAt = Date.now();
    known = ended;
    if (Date.now() - movedAt <= stuckAfter) return;
    giveUp.abort(new Error(`no turn has ended for ${stuckAfter / 1000} s`));
  }, POLL_MS);
  await sessionsDone;
  clearInterval(timer);
}

/** Archives the sessions that were kept, and those created by a request whose answer was lost. */
async function endAll(client: Client, sessions: ObservedSession[]): Promise<void> {
  const open = new Set(sessions.filter(({ events }) => !events).map(({ id }) => id));
  for (const id of await client.sessions()) {
    // A session with an open turn is left as it is, for debugging.
    if (open.has(id)) continue;
    const session = sessions.find((one) => one.id === id);
    if (session?.endedAt) continue;
    if (session) session.endedAt = Date.now();
    await client.end(id, 'archive');
  }
}

/** Waits until no workflow, sandbox or work item is left, for at most two reconciles: they should remove the rest. */
async function untilNothingLeft(
  world: World,
  reconcileSeconds: number,
  print: (line: string) => void,
): Promise<void> {
  const end = Date.now() + (2 * reconcileSeconds + 30) * 1000;
  let printed = 0;
  for (;;) {
    const open = (await workItems(world)).filter(({ state }) => state !== 'stopped').length;
    const sandboxes = (await liveSandboxes(world)).length;
    const query = `ExecutionStatus = 'Running' AND WorkflowType = '${SESSION_WORKFLOW}'`;
    const { count } = await world.temporal.client.workflow.count(query);
    if (open + sandboxes + count === 0 || Date.now() > end) return;
    if (Date.now() > printed + 10_000) {
      print(`left: ${count} workflows, ${sandboxes} sandboxes, ${open} work items`);
      printed = Date.now();
    }
    await sleep(500);
  }
}
