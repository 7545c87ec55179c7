// Sessions that take turn after turn while something happens to the router, and how long each call took. Every turn
// proves that the calls of all turns before it ran once.
import { setTimeout as sleep } from 'node:timers/promises';
import { commands, openSession, takeTurn } from './turns.ts';
import type { World } from './world.ts';

export interface LoadOptions {
  sessions: number;
  /** Time of its own of each turn's slowest call. */
  callMs: number;
  /** Between the turns of each session, which take turns in this list; longer than the grace: its sandbox is paused. */
  restsMs: [number, ...number[]];
}

export interface LoadCall {
  sessionId: string;
  id: string;
  /** What happened when it ended. */
  phase: string;
  /** Epoch milliseconds of its request. */
  askedAt: number;
  /** Milliseconds to its result beyond its own time. */
  overheadMs: number;
}

export interface Load {
  sessionIds: string[];
  /** Turns that each session has finished. */
  turns: number[];
  /** Calls with a result, in the order of their results. */
  calls: LoadCall[];
  /** Names what happens from now on; calls count for the phase in which they end. */
  begin(phase: string): void;
  /** Rejects with the first turn that failed. */
  failed: Promise<never>;
  /** Lets each session finish its turn. @throws Error if a turn failed, or if a call was lost or ran twice */
  stop(): Promise<void>;
}

export async function startLoad(world: World, { sessions, callMs, restsMs }: LoadOptions): Promise<Load> {
  const sessionIds = await Promise.all(Array.from({ length: sessions }, () => openSession(world)));
  const turns = sessionIds.map(() => 0);
  const calls: LoadCall[] = [];
  let phase = 'first turns';
  let stopped = false;

  const takeTurns = async (id: string, index: number) => {
    for (let turn = 1; !stopped; turn += 1) {
      let askedAt = 0;
      let ownMs = 0;
      const { answer } = await takeTurn(
        world.anthropic,
        id,
        commands(`echo ${turn} >> turns`, `sleep ${callMs / 1000}`, 'tr "\\n" " " < turns'),
        (event) => {
          if (event.type === 'agent.tool_use') {
            askedAt = Date.now();
            ownMs = String(event.input.command).startsWith('sleep') ? callMs : 0;
          }
          if (event.type !== 'user.tool_result') return;
          const overheadMs = Date.now() - askedAt - ownMs;
          calls.push({ sessionId: id, id: event.tool_use_id, phase, askedAt, overheadMs });
        },
      );
      const once = Array.from({ length: turn }, (_, before) => before + 1).join(' ');
      if (answer.trim() !== once) throw new Error(`turn ${turn} of ${id} read "${answer}", not "${once}"`);
      turns[index] = turn;
      await sleep(restsMs[index % restsMs.length]);
    }
  };
  const all = Promise.all(sessionIds.map(takeTurns));
  const failed = all.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  return {
    sessionIds,
    turns,
    calls,
    failed,
    begin: (next) => {
      phase = next;
    },
    stop: async () => {
      stopped = true;
      await all;
    },
  };
}
