// The sessions of a run as their users live them: each goes through its plan, and keeps what it saw.
import { type Client, type SessionEvent, type Store, sleep } from './client.ts';
import { messageOf, type PlannedSession, type PlannedTurn } from './plan.ts';

export interface TurnSeen {
  /** Epoch ms; null: never. */
  saidAt: number | null;
  endedAt: number | null;
  interrupted: boolean;
}

export interface SessionSeen {
  plan: PlannedSession;
  id: string | null;
  /** Its memory store, if it brings one. */
  storeId: string | null;
  /** The store at the end of the run. */
  store: Store | null;
  turns: TurnSeen[];
  /** Read when its last turn was over. */
  events: SessionEvent[] | null;
  /** When its owner ended it. */
  endedAt: number | null;
  /** What went wrong on the user's side. */
  failure: string | null;
}

const STORED_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 1_500;

/** Starts all sessions on their time. `done` resolves when each has gone through its plan or was given up. */
export function liveSessions(
  client: Client,
  plans: PlannedSession[],
  giveUp: AbortSignal,
): { seen: SessionSeen[]; done: Promise<void> } {
  const seen = plans.map((plan): SessionSeen => {
    const turns = plan.turns.map(() => ({ saidAt: null, endedAt: null, interrupted: false }));
    return { plan, id: null, storeId: null, store: null, turns, events: null, endedAt: null, failure: null };
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
  const { id, storeId } = await client.open(`chaos ${plan.name}`, plan.brings);
  Object.assign(session, { id, storeId });
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
    await approving(client, id, turn, ended);
    now.endedAt = Date.now();
  }
  session.events = await client.events(id);
  if (plan.ending === 'keep') return;
  // Whoever ends a session in the moment that its turn ends takes its token away before its memory is saved.
  if (storeId) await untilStored(client, session, storeId);
  session.endedAt = Date.now();
  await client.end(id, plan.ending);
}

/** Allows the turn's calls that wait for it, until the turn has ended. */
async function approving(client: Client, id: string, turn: PlannedTurn, ended: Promise<void>): Promise<void> {
  const over = new AbortController();
  const asked = turn.steps.flat().map(async ({ token, approveAfterMs }) => {
    if (approveAfterMs === null) return;
    await client.allow(id, token, approveAfterMs, over.signal).catch((error) => {
      if (!over.signal.aborted) throw error;
    });
  });
  await Promise.all([ended.finally(() => over.abort()), ...asked]);
}

/** What a killed sandbox took along is never stored: it is waited for in vain, and the verdict excuses it. */
async function untilStored(client: Client, { plan }: SessionSeen, storeId: string): Promise<void> {
  const tokens = plan.turns
    .filter((turn) => turn.interruptAfterMs === null)
    .flatMap(({ steps }) => steps.flat());
  for (const end = Date.now() + STORED_WITHIN_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    const { holds } = await client.store(storeId);
    if (tokens.every(({ token }) => `/${token}` in holds)) return;
  }
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
