// The steps of the benchmark: each round lets one contestant after another do the same.
import type { Contestant } from './contestant.ts';

export interface Plan {
  rounds: number;
  /** Rounds with the slow model. */
  slowRounds: number;
  /** Calls of the long turn. */
  longCalls: number;
  /** Rounds with a model that thinks for longer than Node keeps an idle connection by default. */
  thoughtRounds: number;
}

/** One line of the table: milliseconds, by contestant. */
export interface Row {
  what: string;
  samples: Record<string, number[]>;
}

export const MODEL_MS = 50;
export const SLOW_MODEL_MS = 1_500;
const THOUGHT_MS = 6_000;
const TURN_CALLS = 20;
const SLOW_CALLS = 4;
const THOUGHT_CALLS = 2;

/** @param log gets a line for each step */
export async function measure(
  contestants: Contestant[],
  plan: Plan,
  log: (line: string) => void,
): Promise<Row[]> {
  const { rounds, slowRounds, longCalls, thoughtRounds } = plan;
  const withSandboxes = contestants.filter(({ paused }) => paused);
  const rows: Row[] = [];
  const row = (what: string): ((contestant: Contestant, ms: number) => void) => {
    const samples: Record<string, number[]> = {};
    rows.push({ what, samples });
    return ({ name }, ms) => {
      samples[name] ??= [];
      samples[name].push(ms);
    };
  };
  const each = async (
    among: Contestant[],
    times: number,
    step: (one: Contestant, round: number) => Promise<void>,
  ) => {
    for (let round = 0; round < times; round += 1) {
      // Each round begins with another, so that none always follows the same one.
      const order = among.map((_, index) => among[(index + round) % among.length] as Contestant);
      for (const one of order) await step(one, round);
    }
  };
  const hot = async () => {
    const sessions = new Map<Contestant, string>();
    await each(contestants, 1, async (one) => {
      const session = await one.open();
      await one.turn(session, 1);
      sessions.set(one, session);
    });
    return (one: Contestant) => sessions.get(one) as string;
  };
  const modelTakes = (ms: number) => Promise.all(contestants.map((one) => one.modelTakes(ms)));

  await modelTakes(MODEL_MS);
  log(`${rounds} new sessions`);
  const newSession = row('new session, new sandbox');
  const opened = new Map<string, string>();
  await each(withSandboxes, rounds, async (one, round) => {
    const session = await one.open();
    opened.set(`${one.name} ${round}`, session);
    newSession(one, (await one.turn(session, 1)).first);
  });
  log('waiting until all sandboxes are paused');
  await Promise.all(withSandboxes.map((one) => one.paused?.()));
  const paused = row('paused sandbox');
  await each(withSandboxes, rounds, async (one, round) => {
    paused(one, (await one.turn(opened.get(`${one.name} ${round}`) as string, 1)).first);
  });

  log(`${rounds} turns of 1 and of ${TURN_CALLS} calls in a hot session`);
  const session = await hot();
  const hotFirst = row('hot session');
  await each(contestants, rounds, async (one) => hotFirst(one, (await one.turn(session(one), 1)).first));
  const turn = row(`turn of ${TURN_CALLS} calls`);
  const call = row('  a call without the model');
  await each(contestants, rounds, async (one) => {
    const { whole } = await one.turn(session(one), TURN_CALLS);
    turn(one, whole);
    call(one, whole / TURN_CALLS - MODEL_MS);
  });

  log(`a turn of ${longCalls} calls`);
  const long = await hot();
  const longCall = row(`turn of ${longCalls} calls: a call`);
  const longest = row('  its longest call');
  await each(contestants, 1, async (one) => {
    const { calls } = await one.turn(long(one), longCalls);
    for (const ms of calls) longCall(one, ms);
    longest(one, Math.max(...calls));
  });

  if (slowRounds > 0) {
    log(`${slowRounds} turns with a model that takes ${SLOW_MODEL_MS} ms`);
    await modelTakes(SLOW_MODEL_MS);
    const slowSession = await hot();
    const slow = row(`turn of ${SLOW_CALLS} calls, model of ${SLOW_MODEL_MS / 1000} s`);
    await each(contestants, slowRounds, async (one) =>
      slow(one, (await one.turn(slowSession(one), SLOW_CALLS)).whole),
    );
  }

  if (thoughtRounds > 0) {
    log(`${thoughtRounds} turns with a model that takes ${THOUGHT_MS} ms`);
    const thoughtful = await hot();
    await modelTakes(THOUGHT_MS);
    const afterThought = row(`a call after ${THOUGHT_MS / 1000} s of thought`);
    await each(contestants, thoughtRounds, async (one) => {
      const { calls } = await one.turn(thoughtful(one), THOUGHT_CALLS);
      for (const ms of calls) afterThought(one, ms);
    });
  }
  return rows;
}
