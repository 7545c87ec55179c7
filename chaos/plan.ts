// What the sessions of a run do, decided from the seed: turns, parallel calls, pauses in between, interrupts.
import { Random, seedOf } from './random.ts';

export interface PlannedCall {
  /** Unique in the run: its call writes it down in the sandbox and says it in its result. */
  token: string;
  command: string;
  /** Milliseconds until its user allows it; null: nobody is asked. */
  approveAfterMs: number | null;
}

/** What a session brings along, or leaves behind, beside its calls. */
export interface Brings {
  /** Each call saves a memory of its own. */
  memory: boolean;
  /** Each call looks for the skill of the session's agent. */
  skill: boolean;
  /** Each call puts a file out. */
  outputs: boolean;
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
  brings: Brings;
  turns: PlannedTurn[];
  /** What its owner does once its turns are over; `keep`: it rests until the end of the run. */
  ending: Ending;
}

export interface PlanOptions {
  seed: number;
  sessions: number;
  /** Tool calls of each session. */
  calls: number;
  /** Whether sessions may bring memory stores: not where they share a sandbox. */
  memory: boolean;
  /** Over so many milliseconds the sessions begin. */
  spreadMs: number;
}

/** Where a call writes down that it began and ended. */
export const CALLS_FILE = '/mnt/session/calls';
const INTERRUPTED_SHARE = 0.12;
const LONGEST_REST_MS = 9_000;
const BRINGING_SHARE = 0.3;
const ASKED_SHARE = 0.08;
/** Longer than the grace, and the sandbox is paused meanwhile. */
const LONGEST_APPROVAL_MS = 8_000;
export const SKILL = 'chaos';

export function planSessions({ seed, sessions, calls, memory, spreadMs }: PlanOptions): PlannedSession[] {
  return Array.from({ length: sessions }, (_, index) => {
    const name = `s${String(index + 1).padStart(3, '0')}`;
    const random = new Random(seedOf(seed, name));
    const extras = new Random(seedOf(seed, `${name} brings`));
    const brings = {
      memory: extras.chance(BRINGING_SHARE) && memory,
      skill: extras.chance(BRINGING_SHARE),
      outputs: extras.chance(BRINGING_SHARE),
    };
    return {
      name,
      startAtMs: Math.round((spreadMs * index) / sessions),
      brings,
      turns: planTurns(random, extras, name, calls, brings),
      ending: random.pick(['archive', 'archive', 'delete', 'delete', 'terminate', 'keep'] as const),
    };
  });
}

function planTurns(
  random: Random,
  extras: Random,
  name: string,
  calls: number,
  brings: Brings,
): PlannedTurn[] {
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
          const token = `${name}-${String(calls - left).padStart(2, '0')}`;
          const asked = !interrupted && extras.chance(ASKED_SHARE);
          return {
            token,
            command: commandOf(token, seconds, brings),
            approveAfterMs: asked ? extras.int(0, LONGEST_APPROVAL_MS) : null,
          };
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

function commandOf(token: string, seconds: number, { memory, skill, outputs }: Brings): string {
  return [
    `echo ${token} began >> ${CALLS_FILE}`,
    ...(skill
      ? [`test -s /mnt/session/skills/${SKILL}/SKILL.md || echo ${token} unskilled >> ${CALLS_FILE}`]
      : []),
    `sleep ${seconds}`,
    // The session's one store is mounted somewhere below.
    ...(memory ? [`for store in /mnt/memory/*/; do echo ${token} > "\${store}${token}"; done`] : []),
    ...(outputs ? [`mkdir -p /mnt/session/outputs; echo ${token} > /mnt/session/outputs/${token}`] : []),
    `echo ${token} ended >> ${CALLS_FILE}`,
    `echo ${token} done`,
  ].join('; ');
}

/** The message that makes the scripted model take this turn. */
export function messageOf(turn: PlannedTurn, marker: string): string {
  const call = ({ command, approveAfterMs }: PlannedCall) => ({
    name: 'bash',
    input: { command },
    ...(approveAfterMs === null ? {} : { permission: 'ask' }),
  });
  const steps = turn.steps.map((step) => step.map(call));
  return [`Turn ${marker}. Run these:`, '```tools', JSON.stringify(steps), '```'].join('\n');
}
