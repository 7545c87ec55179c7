// What the sessions of a run do, decided from the seed: turns, parallel calls, pauses in between, interrupts.
import { Random, seedOf } from './random.ts';

export interface PlannedCall {
  /** Unique in the run: its call writes it down in the sandbox and says it in its result. */
  token: string;
  command: string;
}

export interface PlannedTurn {
  /** Milliseconds of rest before it; longer than the grace, and the sandbox is paused meanwhile. */
  restMs: number;
  /** Calls that are made together, step after step. */
  steps: PlannedCall[][];
  /** Milliseconds after the message at which the user interrupts. */
  interruptAfterMs: number | null;
}

export type Ending = 'archive' | 'delete' | 'terminate' | 'keep';

export interface PlannedSession {
  name: string;
  startAtMs: number;
  turns: PlannedTurn[];
  /** What its owner does once its turns are over; `keep`: it rests until the end of the run. */
  ending: Ending;
}

export interface PlanOptions {
  seed: number;
  sessions: number;
  /** Tool calls of each session. */
  calls: number;
  /** Over so many milliseconds the sessions begin. */
  spreadMs: number;
}

/** Where a call writes down that it began and ended. */
export const CALLS_FILE = '/mnt/session/calls';
const INTERRUPTED_SHARE = 0.12;
const LONGEST_REST_MS = 9_000;

export function planSessions({ seed, sessions, calls, spreadMs }: PlanOptions): PlannedSession[] {
  return Array.from({ length: sessions }, (_, index) => {
    const name = `s${String(index + 1).padStart(3, '0')}`;
    const random = new Random(seedOf(seed, name));
    return {
      name,
      startAtMs: Math.round((spreadMs * index) / sessions),
      turns: planTurns(random, name, calls),
      ending: random.pick(['archive', 'archive', 'delete', 'delete', 'terminate', 'keep'] as const),
    };
  });
}

function planTurns(random: Random, name: string, calls: number): PlannedTurn[] {
  const turns: PlannedTurn[] = [];
  for (let left = calls; left > 0; ) {
    const interrupted = random.chance(INTERRUPTED_SHARE);
    const steps: PlannedCall[][] = [];
    for (let inTurn = Math.min(left, random.int(1, 5)); inTurn > 0; ) {
      const together = random.chance(0.4) ? Math.min(inTurn, random.int(2, 3)) : 1;
      steps.push(
        Array.from({ length: together }, () => {
          left -= 1;
          const seconds = interrupted ? random.int(2, 6) : random.int(0, 20) / 10;
          return planCall(`${name}-${String(calls - left).padStart(2, '0')}`, seconds);
        }),
      );
      inTurn -= together;
    }
    turns.push({
      restMs: turns.length === 0 ? 0 : random.int(0, LONGEST_REST_MS),
      steps,
      interruptAfterMs: interrupted ? random.int(300, 5_000) : null,
    });
  }
  return turns;
}

function planCall(token: string, seconds: number): PlannedCall {
  const command = `echo ${token} began >> ${CALLS_FILE}; sleep ${seconds}; echo ${token} ended >> ${CALLS_FILE}; echo ${token} done`;
  return { token, command };
}

/** The message that makes the scripted model take this turn. */
export function messageOf(turn: PlannedTurn, marker: string): string {
  const steps = turn.steps.map((step) => step.map(({ command }) => ({ name: 'bash', input: { command } })));
  return [`Turn ${marker}. Run these:`, '```tools', JSON.stringify(steps), '```'].join('\n');
}
