// Plans the sessions of a run from the seed: turns, parallel calls, rests, interrupts, approvals and extras.
import { turnHostile } from '../harness/hostile/start.ts';
import { TOOLHOST_PORT } from '../toolhost/protocol.ts';
import { Random, seedOf } from './random.ts';

export interface PlannedCall {
  /** Unique in the run. The call writes it to a file in the sandbox and prints it in its result. */
  token: string;
  command: string;
  /** Milliseconds until its user approves it; null: it needs no approval. */
  approveAfterMs: number | null;
  /** Whether the service always refuses its output. */
  refused?: boolean;
  /** Time-out that the model requests; absent: the default. */
  timeoutMs?: number;
}

/** Things that the calls of a session use or produce beside their results. */
export interface Extras {
  /** Each call saves a memory of its own. */
  memory: boolean;
  /** Each call looks for the skill of the session's agent. */
  skill: boolean;
  /** Each call writes an output file. */
  outputs: boolean;
}

export interface PlannedTurn {
  /** Milliseconds of rest before it. During a rest longer than the grace time, the sandbox is paused. */
  restMs: number;
  /** The steps of the turn, each with parallel calls. */
  steps: PlannedCall[][];
  /** Milliseconds after the message at which the user interrupts. */
  interruptAfterMs: number | null;
}

export type Ending = 'archive' | 'delete' | 'terminate' | 'keep';

export interface PlannedSession {
  name: string;
  /** The attack of its sandbox, which its only call turns hostile; null for normal sessions. */
  hostile: string | null;
  startAtMs: number;
  extras: Extras;
  turns: PlannedTurn[];
  /** What its user does after the last turn; `keep`: nothing, until the end of the run. */
  ending: Ending;
}

export interface PlanOptions {
  seed: number;
  sessions: number;
  /** Tool calls of each session. */
  calls: number;
  /** Whether sessions may have memory stores; they may not if they share sandboxes. */
  memory: boolean;
  /** Target of the redirects of hostile sandboxes; null: no session has a hostile sandbox. */
  canary: string | null;
  /** Milliseconds over which the starts of the sessions are spread. */
  spreadMs: number;
}

/** The file in which calls record that they began and ended. */
export const CALLS_FILE = '/mnt/session/calls';
const INTERRUPTED_SHARE = 0.12;
const LONGEST_REST_MS = 9_000;
const BRINGING_SHARE = 0.3;
const ASKED_SHARE = 0.08;
const REFUSED_SHARE = 0.06;
/** A result with this word is refused. Commands put it together, so that no message contains it. */
export const REFUSED_WORD = 'unpostable';
/** Longer than the grace time, so that some sandboxes are paused meanwhile. */
const LONGEST_APPROVAL_MS = 8_000;
export const SKILL = 'chaos';
/** One in this many sessions has a hostile sandbox. */
const HOSTILE_EVERY = 8;
const HOSTILE_CALL_MS = 5_000;
/** Redirects, floods and malformed answers, used in turn. */
const ATTACKS = ['redirect-307', 'huge', 'null', 'running', 'values', 'gzip-bomb', 'wrong-id', 'close'];

export function planSessions(options: PlanOptions): PlannedSession[] {
  const { seed, sessions, calls, memory, canary, spreadMs } = options;
  return Array.from({ length: sessions }, (_, index) => {
    const name = `s${String(index + 1).padStart(3, '0')}`;
    const startAtMs = Math.round((spreadMs * index) / sessions);
    if (canary && index % HOSTILE_EVERY === HOSTILE_EVERY - 1)
      return hostileSession(name, startAtMs, Math.floor(index / HOSTILE_EVERY), canary);
    const random = new Random(seedOf(seed, name));
    const extrasRandom = new Random(seedOf(seed, `${name} brings`));
    const refusedRandom = new Random(seedOf(seed, `${name} refused`));
    const extras = {
      memory: extrasRandom.chance(BRINGING_SHARE) && memory,
      skill: extrasRandom.chance(BRINGING_SHARE),
      outputs: extrasRandom.chance(BRINGING_SHARE),
    };
    return {
      name,
      hostile: null,
      startAtMs,
      extras,
      turns: planTurns(random, extrasRandom, name, calls, extras).map((turn) =>
        withRefusals(turn, refusedRandom),
      ),
      ending: random.pick(['archive', 'archive', 'delete', 'delete', 'terminate', 'keep'] as const),
    };
  });
}

/** A session with one call that turns its sandbox hostile. Its turn must end, and no other session may be affected. */
function hostileSession(name: string, startAtMs: number, turn: number, canary: string): PlannedSession {
  const attack = ATTACKS[turn % ATTACKS.length] as string;
  const command = `echo ${name}-01 began >> ${CALLS_FILE}; ${turnHostile(attack, TOOLHOST_PORT, canary)}`;
  const call = { token: `${name}-01`, command, approveAfterMs: null, timeoutMs: HOSTILE_CALL_MS };
  const extras = { memory: false, skill: false, outputs: false };
  const turns = [{ restMs: 0, steps: [[call]], interruptAfterMs: null }];
  return { name, hostile: attack, startAtMs, extras, turns, ending: 'archive' };
}

function planTurns(
  random: Random,
  extrasRandom: Random,
  name: string,
  calls: number,
  extras: Extras,
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
          const asked = !interrupted && extrasRandom.chance(ASKED_SHARE);
          return {
            token,
            command: commandOf(token, seconds, extras),
            approveAfterMs: asked ? extrasRandom.int(0, LONGEST_APPROVAL_MS) : null,
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

function withRefusals(turn: PlannedTurn, random: Random): PlannedTurn {
  const refuse = (call: PlannedCall): PlannedCall =>
    random.chance(REFUSED_SHARE)
      ? { ...call, command: `${call.command}; printf 'un%s\\n' postable`, refused: true }
      : call;
  return { ...turn, steps: turn.steps.map((step) => step.map(refuse)) };
}

function commandOf(token: string, seconds: number, { memory, skill, outputs }: Extras): string {
  return [
    `echo ${token} began >> ${CALLS_FILE}`,
    ...(skill
      ? [`test -s /mnt/session/skills/${SKILL}/SKILL.md || echo ${token} unskilled >> ${CALLS_FILE}`]
      : []),
    `sleep ${seconds}`,
    // The session has one store, mounted below /mnt/memory under its name.
    ...(memory ? [`for store in /mnt/memory/*/; do echo ${token} > "\${store}${token}"; done`] : []),
    ...(outputs ? [`mkdir -p /mnt/session/outputs; echo ${token} > /mnt/session/outputs/${token}`] : []),
    `echo ${token} ended >> ${CALLS_FILE}`,
    `echo ${token} done`,
  ].join('; ');
}

/** The message whose script makes the model take this turn. */
export function messageOf(turn: PlannedTurn, marker: string): string {
  const call = ({ command, approveAfterMs, timeoutMs }: PlannedCall) => ({
    name: 'bash',
    input: { command, ...(timeoutMs ? { timeout_ms: timeoutMs } : {}) },
    ...(approveAfterMs === null ? {} : { permission: 'ask' }),
  });
  const steps = turn.steps.map((step) => step.map(call));
  return [`Turn ${marker}. Run these:`, '```tools', JSON.stringify(steps), '```'].join('\n');
}
