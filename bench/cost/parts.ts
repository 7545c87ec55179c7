// The parts of a router's life whose cost is measured: idle, turns, and an hour in each state of a session.
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { anHour, beyond, type Cost, each, type Meter } from './meter.ts';
import { since } from './tally.ts';

export interface PartOptions {
  /** How long each state is watched. */
  seconds: number;
  /** Sessions whose turns are counted. */
  sessions: number;
  /** Calls of the long turn. */
  calls: number;
}

export interface Parts {
  idleHour: Cost;
  /** A turn of one call, until the sandbox is paused, with the session's start. */
  firstTurn: Cost;
  /** The same in a paused sandbox. */
  turn: Cost;
  /** A turn of one call that follows at once, in a sandbox that runs. */
  hotTurn: Cost;
  call: Cost;
  /** One long call runs. */
  workingHour: Cost;
  /** The model thinks, and no call is open. */
  thinkingHour: Cost;
  /** A call waits for approval. */
  approvalHour: Cost;
  asleepHour: Cost;
}

/** Time in which a session that waits for people has given up its watch. */
const UNWATCHED_MS = 75_000;
const HOT_TURNS = 4;
/** Time in which what a session's end brings about is over. */
const SETTLE_MS = 3_000;

export async function measureParts(
  world: World,
  meter: Meter,
  { seconds, sessions, calls }: PartOptions,
  log: (line: string) => void,
): Promise<Parts> {
  await sleep(SETTLE_MS);
  log(`idle router, ${seconds} s`);
  const idle = await meter.within(seconds);
  const ids: string[] = [];
  const turnOf = async (id: string, commands: string[], times = 1) => {
    for (let count = 0; count < times; count += 1)
      await takeTurn(world.anthropic, id, script(commands.map((command) => [bash(command)])));
    await untilPaused(world, id);
  };
  const turns = async (commands: string[], times = 1) => {
    const all = await meter.during(async () => {
      for (const id of ids) await turnOf(id, commands, times);
      await sleep(SETTLE_MS);
    });
    return each(beyond(all, idle), ids.length);
  };
  log(`${sessions} new sessions with a turn of one call each`);
  const firstTurns = await meter.during(async () => {
    for (let count = 0; count < sessions; count += 1) {
      const id = await openSession(world);
      ids.push(id);
      await turnOf(id, ['true']);
    }
    await sleep(SETTLE_MS);
  });
  log(`a turn of one call in each paused sandbox, then several at once, then one of ${calls + 1} calls`);
  const turn = await turns(['true']);
  const manyTurns = await turns(['true'], HOT_TURNS + 1);
  const hotTurn = each(difference(manyTurns, turn), HOT_TURNS);
  const longTurn = await turns(Array(calls + 1).fill('true'));
  const call = each(difference(longTurn, turn), calls);
  log(`asleep, ${seconds} s`);
  const asleep = beyond(await meter.within(seconds), idle);

  /** What this message's turn costs while it goes on. */
  const midTurn = async (steps: unknown[], ready: () => Promise<unknown>): Promise<Cost> => {
    const id = ids[0] as string;
    await sendMessage(world.anthropic, id, script(steps));
    await ready();
    const cost = await meter.within(seconds);
    await world.anthropic.beta.sessions.events.send(id, { events: [{ type: 'user.interrupt' }] });
    await until(
      'the turn has ended',
      async () => (await lastType(world, id)) === 'session.status_idle',
      60_000,
    );
    await untilPaused(world, id);
    await sleep(SETTLE_MS);
    return anHour(beyond(cost, idle));
  };
  log(`one long call, ${seconds} s`);
  const long = {
    name: 'bash',
    input: { command: `sleep ${seconds + 30}`, timeout_ms: (seconds + 60) * 1000 },
  };
  const workingHour = await midTurn([[long]], () => sleep(SETTLE_MS));
  log(`the model thinks, ${seconds} s`);
  const thinkingHour = await midTurn([{ wait_ms: (seconds + 60) * 1000 }], () => sleep(SETTLE_MS));
  log(`a call waits for approval, ${seconds} s`);
  const approvalHour = await midTurn([[{ ...bash('true'), permission: 'ask' }]], () => sleep(UNWATCHED_MS));
  return {
    idleHour: anHour(idle),
    firstTurn: each(beyond(firstTurns, idle), sessions),
    turn,
    hotTurn,
    call,
    workingHour,
    thinkingHour,
    approvalHour,
    asleepHour: anHour(asleep),
  };
}

function difference(more: Cost, less: Cost): Cost {
  return {
    seconds: more.seconds - less.seconds,
    actions: since(less.actions, more.actions),
    anthropic: since(less.anthropic, more.anthropic),
    e2b: since(less.e2b, more.e2b),
    sandboxSeconds: more.sandboxSeconds - less.sandboxSeconds,
  };
}

const bash = (command: string) => ({ name: 'bash', input: { command } });

/** A message that makes the scripted model take these steps. */
function script(steps: unknown[]): string {
  return ['Please:', '```tools', JSON.stringify(steps), '```'].join('\n');
}

async function lastType(world: World, sessionId: string): Promise<string | undefined> {
  const events = await eventsOf(world.anthropic, sessionId);
  return events.findLast(({ type }) => type.startsWith('session.status_'))?.type;
}

async function untilPaused(world: World, sessionId: string): Promise<void> {
  await until(
    `the sandbox of ${sessionId} is paused`,
    async () => {
      const query = { metadata: { session: sessionId }, state: ['running' as const] };
      return (await world.Sandbox.list({ query }).nextItems()).length === 0;
    },
    120_000,
  );
}
