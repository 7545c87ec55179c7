// The sessions of a run as their users live them: each goes through its plan, and keeps what it saw.
import { type Client, type SessionEvent, sleep } from './client.ts';
import { messageOf, type PlannedSession } from './plan.ts';

export interface TurnSeen {
  /** Epoch ms; null: never. */
  saidAt: number | null;
  endedAt: number | null;
  interrupted: boolean;
}

export interface SessionSeen {
  plan: PlannedSession;
  id: string | null;
  turns: TurnSeen[];
  /** Read when its last turn was over. */
  events: SessionEvent[] | null;
  /** When its owner ended it. */
  endedAt: number | null;
  /** What went wrong on the user's side. */
  failure: string | null;
}

/** Starts all sessions on their time. `done` resolves when each has gone through its plan or was given up. */
export function liveSessions(
  client: Client,
  plans: PlannedSession[],
  giveUp: AbortSignal,
): { seen: SessionSeen[]; done: Promise<void> } {
  const seen = plans.map((plan): SessionSeen => {
    const turns = plan.turns.map(() => ({ saidAt: null, endedAt: null, interrupted: false }));
    return { plan, id: null, turns, events: null, endedAt: null, failure: null };
  });
  const lives = seen.map(async (session) => {
    try {
      await sleep(session.plan.startAtMs, giveUp);
      await Promise.race([live(client, session, giveUp), aborted(giveUp)]);
    } catch (error) {
      session.failure = error instanceof Error ? error.message : String(error);
    }
  });
  return { seen, done: Promise.all(lives).then(() => undefined) };
}

async function live(client: Client, session: SessionSeen, giveUp: AbortSignal): Promise<void> {
  const { plan } = session;
  const id = await client.open(`chaos ${plan.name}`);
  session.id = id;
  for (const [index, turn] of plan.turns.entries()) {
    const now = session.turns[index] as TurnSeen;
    await sleep(turn.restMs, giveUp);
    now.saidAt = Date.now();
    const marker = `${plan.name}/${index + 1}`;
    await client.say(id, marker, messageOf(turn, marker));
    const ended = client.untilTurnEnds(id, giveUp);
    ended.catch(() => undefined);
    if (turn.interruptAfterMs !== null) {
      const first = await Promise.race([
        ended.then(() => 'ended'),
        sleep(turn.interruptAfterMs, giveUp).then(() => 'now'),
      ]);
      if (first === 'now') {
        now.interrupted = true;
        await client.interrupt(id);
      }
    }
    await ended;
    now.endedAt = Date.now();
  }
  session.events = await client.events(id);
  if (plan.ending === 'keep') return;
  session.endedAt = Date.now();
  await client.end(id, plan.ending);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The turn that has been open for the longest time, in milliseconds; 0 without any. */
export function oldestOpenTurn(seen: SessionSeen[], now: number): number {
  const open = seen.flatMap(({ turns }) => turns.filter((turn) => turn.saidAt && !turn.endedAt));
  return Math.max(0, ...open.map((turn) => now - (turn.saidAt ?? now)));
}
