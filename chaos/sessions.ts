// Runs the planned sessions as their users would, and records what they observe.
import { sleep } from '../activities/sleep.ts';
import type { Client, SessionEvent, Store } from './client.ts';
import { messageOf, type PlannedSession, type PlannedTurn } from './plan.ts';

export interface ObservedTurn {
  /** Epoch ms; null: never. */
  sentAt: number | null;
  endedAt: number | null;
  interrupted: boolean;
}

export interface ObservedSession {
  plan: PlannedSession;
  id: string | null;
  /** Id of its memory store, if it has one. */
  storeId: string | null;
  /** The store at the end of the run. */
  store: Store | null;
  turns: ObservedTurn[];
  /** Read after its last turn. */
  events: SessionEvent[] | null;
  /** When its user ended it. */
  endedAt: number | null;
  /** An error on the user's side. */
  failure: string | null;
}

const STORED_WITHIN_MS = 120_000;
const POLL_MS = 1_500;

/** Starts each session at its planned time. `done` resolves when all have finished their plan or were given up. */
export function runSessions(
  client: Client,
  plans: PlannedSession[],
  giveUp: AbortSignal,
): { sessions: ObservedSession[]; done: Promise<void> } {
  const sessions = plans.map((plan): ObservedSession => {
    const turns = plan.turns.map(() => ({ sentAt: null, endedAt: null, interrupted: false }));
    return { plan, id: null, storeId: null, store: null, turns, events: null, endedAt: null, failure: null };
  });
  const lives = sessions.map(async (session) => {
    try {
      await sleep(session.plan.startAtMs, giveUp);
      await Promise.race([runSession(client, session, giveUp), aborted(giveUp)]);
    } catch (error) {
      session.failure = error instanceof Error ? error.message : String(error);
    }
  });
  return { sessions, done: Promise.all(lives).then(() => undefined) };
}

async function runSession(client: Client, session: ObservedSession, giveUp: AbortSignal): Promise<void> {
  const { plan } = session;
  const { id, storeId } = await client.openSession(`chaos ${plan.name}`, plan.extras);
  Object.assign(session, { id, storeId });
  for (const [index, turn] of plan.turns.entries()) {
    const now = session.turns[index] as ObservedTurn;
    await sleep(turn.restMs, giveUp);
    now.sentAt = Date.now();
    const marker = `${plan.name}/${index + 1}`;
    await client.sendMessage(id, marker, messageOf(turn, marker));
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
    await approveCalls(client, id, turn, ended);
    now.endedAt = Date.now();
  }
  session.events = await client.events(id);
  if (plan.ending === 'keep') return;
  // Ending the session revokes its token, so a session ended right after its turn could not save its memory.
  if (storeId) await untilStored(client, session, storeId);
  session.endedAt = Date.now();
  await client.end(id, plan.ending);
}

/** Approves the calls of the turn that need approval, until the turn has ended. */
async function approveCalls(
  client: Client,
  id: string,
  turn: PlannedTurn,
  ended: Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const asked = turn.steps.flat().map(async ({ token, approveAfterMs }) => {
    if (approveAfterMs === null) return;
    await client.approve(id, token, approveAfterMs, over.signal).catch((error) => {
      if (!over.signal.aborted) throw error;
    });
  });
  await Promise.all([ended.finally(() => over.abort()), ...asked]);
}

/** Waits for the memories of all calls, for at most two minutes: those lost with a killed sandbox never arrive. */
async function untilStored(client: Client, { plan }: ObservedSession, storeId: string): Promise<void> {
  const tokens = plan.turns
    .filter((turn) => turn.interruptAfterMs === null)
    .flatMap(({ steps }) => steps.flat());
  for (const end = Date.now() + STORED_WITHIN_MS; Date.now() < end; await sleep(POLL_MS)) {
    const { contents } = await client.store(storeId);
    if (tokens.every(({ token }) => `/${token}` in contents)) return;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Age of the oldest open turn in milliseconds; 0 if none is open. */
export function oldestOpenTurn(sessions: ObservedSession[], now: number): number {
  const open = sessions.flatMap(({ turns }) => turns.filter((turn) => turn.sentAt && !turn.endedAt));
  return Math.max(0, ...open.map((turn) => now - (turn.sentAt ?? now)));
}
