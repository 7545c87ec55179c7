// `npm run bench -- --profile`: where the time of a hot call and of a paused sandbox's first call goes, and whose
// processor time it is.
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { createNamespace } from '../../harness/temporal-namespace.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { startWorld, type World } from '../../harness/world.ts';
import { MODEL_MS } from '../measure.ts';
import { untilPaused } from '../simulated.ts';
import { type Mark, marksOfEvents, marksOfHistory, marksOfRequests } from './marks.ts';
import { processorTimes } from './processor-time.ts';
import { type Span, stepsOf, timelineTable } from './timeline.ts';

export interface ProfilePlan {
  /** Turns of 20 calls in a hot session, and sessions whose sandboxes are paused. */
  rounds: number;
  /** Address of a running Temporal server; default: starts a dev server. */
  temporal: string | undefined;
  /** Folder for V8's CPU profiles of the router's processes; default: none are made. */
  profiles: string | undefined;
}

const CALLS = 20;
const SETTLE_MS = 1_000;

/** @returns the tables as text */
export async function profile(
  stateDir: string,
  { rounds, temporal: address, profiles }: ProfilePlan,
  log: (line: string) => void,
): Promise<string> {
  const notes = join(stateDir, 'requests.jsonl');
  const noting = new URL(`./note-requests.ts?to=${encodeURIComponent(notes)}`, import.meta.url);
  const namespace = `bench-${Date.now()}`;
  if (address) await createNamespace(address, namespace);
  const world = await startWorld({
    stateDir,
    separateSimulators: true,
    switches: [`model-delay-ms=${MODEL_MS}`],
    settings: async () => ({
      NODE_OPTIONS: `--import ${noting}${profiles ? ` --cpu-prof --cpu-prof-dir=${resolve(profiles)}` : ''}`,
    }),
    ...(address ? { temporal: { address, namespace } } : {}),
  });
  try {
    log(`${rounds} turns of ${CALLS} calls in a hot session`);
    const hot = await openSession(world);
    await turn(world, hot, 1);
    await turn(world, hot, CALLS);
    const before = processorTimes();
    const turns: BetaManagedAgentsSessionEvent[][] = [];
    for (let round = 0; round < rounds; round += 1) turns.push(await turn(world, hot, CALLS));
    const used = [...processorTimes()].map(([name, ms]): [string, number] => [
      name,
      (ms - (before.get(name) ?? 0)) / (rounds * CALLS),
    ]);

    log(`first calls in ${rounds} paused sandboxes`);
    const sessions: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const session = await openSession(world);
      await turn(world, session, 1);
      sessions.push(session);
    }
    await untilPaused(world.simulators, world.admin, { passTime: false });
    const wakes: { session: string; events: BetaManagedAgentsSessionEvent[] }[] = [];
    for (const session of sessions) {
      wakes.push({ session, events: await turn(world, session, 1) });
      // What follows on a turn is no part of the next one.
      await sleep(SETTLE_MS);
    }

    const requests = marksOfRequests(notes);
    const ofSession = async (session: string, events: BetaManagedAgentsSessionEvent[]): Promise<Mark[]> => [
      ...marksOfEvents(events),
      ...(await marksOfHistory(world, world.names.sessionWorkflowId(session), 'session')),
    ];
    const hotMarks = [...requests, ...(await ofSession(hot, turns.flat()))];
    const environment = world.names.environmentWorkflowId(world.simulators.anthropic.environmentId);
    const wakeMarks = [...requests, ...(await marksOfHistory(world, environment, 'environment'))];
    for (const { session, events } of wakes) wakeMarks.push(...(await ofSession(session, events)));
    return [
      timelineTable('a hot call, ms', stepsOf(hotMarks, turns.flatMap(callsOf))),
      timelineTable(
        'a paused sandbox’s first call, ms',
        stepsOf(
          wakeMarks,
          wakes.flatMap(({ events }) => first(events)),
        ),
      ),
      'Processor time of a hot call, ms:',
      ...used.filter(([, ms]) => ms >= 0.05).map(([name, ms]) => `  ${name}: ${ms.toFixed(1)}`),
    ].join('\n');
  } finally {
    await world.close();
  }
}

async function turn(world: World, session: string, calls: number): Promise<BetaManagedAgentsSessionEvent[]> {
  const { events } = await takeTurn(world.anthropic, session, commands(...Array(calls).fill('true')));
  return events;
}

const at = ({ processed_at: time }: BetaManagedAgentsSessionEvent) => Date.parse(String(time));

/** From a call to the next one; the last call of a turn is left out. */
function callsOf(events: BetaManagedAgentsSessionEvent[]): Span[] {
  const calls = events.filter(({ type }) => type === 'agent.tool_use').map(at);
  return calls.slice(1).map((to, index) => ({ from: calls[index] as number, to }));
}

/** From the turn's beginning to the first result. */
function first(events: BetaManagedAgentsSessionEvent[]): Span[] {
  const from = events.find(({ type }) => type === 'session.status_running');
  const to = events.find(({ type }) => type === 'user.tool_result');
  return from && to ? [{ from: at(from), to: at(to) + 1 }] : [];
}
