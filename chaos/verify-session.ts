// Verifies from a session's records that no call was lost or run twice. A pure function, tested with forged records.

import type { SessionEvent } from './client.ts';
import type { Disk } from './evidence.ts';
import { type DoneCall, EXTRAS_COUNTERS, type ExtrasTally, verifyExtras } from './extras.ts';
import { type Kill, mayRemoveSandbox } from './kills.ts';
import type { PlannedCall } from './plan.ts';
import type { ObservedSession, ObservedTurn } from './sessions.ts';

/** Every counter has to stay at zero. */
export const COUNTERS = [
  'sessions not ended',
  'calls run twice',
  'calls never run though their sandbox lived',
  'results lost',
  'results accepted twice',
  ...EXTRAS_COUNTERS,
  'sandboxes beyond one per session',
  'sandboxes left over',
  'work items left over',
  'workflows failed or stuck',
  'redirects followed',
  'credentials found',
  'histories that do not replay',
] as const;

export type Counter = (typeof COUNTERS)[number];

export interface Finding {
  counter: Counter;
  /** The session, if the finding is about a session. */
  sessionId: string | null;
  what: string;
}

export interface CallTally extends ExtrasTally {
  /** Ran once, and its result was accepted. */
  done: number;
  /** Interrupted by a kill of its sandbox or toolhost, and answered with an error that says so. */
  cutOff: number;
  /** Part of a turn that its user interrupted. */
  interrupted: number;
  /** Ran once; its output was refused and replaced by an error result that says so. */
  refused: number;
  /** Sessions with a hostile sandbox whose turn has ended. */
  hostile: number;
}

export function emptyTally(): CallTally {
  const extras = { memories: 0, skilled: 0, approved: 0, outputs: 0 };
  return { done: 0, cutOff: 0, interrupted: 0, refused: 0, hostile: 0, ...extras };
}

/** Kills that interrupt the calls in a sandbox. */
const INTERRUPTING_KILLS = new Set(['kill toolhost', 'restart sandbox', 'kill sandbox']);

export function verifySession(
  session: ObservedSession,
  disks: Disk[],
  outputs: string[],
  kills: Kill[],
  tally: CallTally,
): Finding[] {
  const { plan, id, events, turns } = session;
  const findings: Finding[] = [];
  const find = (counter: Counter, what: string) => findings.push({ counter, sessionId: id, what });
  if (!id || !events) {
    const open = turns.findIndex((turn) => !turn.endedAt) + 1;
    const why = session.failure ? `: ${session.failure}` : '';
    find(
      'sessions not ended',
      `${plan.name}: ${id ? `turn ${open} of ${turns.length} is open` : 'never opened'}${why}`,
    );
    return findings;
  }
  // The records of a hostile sandbox cannot be trusted, so only the end of the turn is verified.
  if (plan.hostile) {
    tally.hostile += 1;
    return findings;
  }
  const lines = disks.flatMap(({ calls }) => calls);
  const ownKills = kills.filter(
    ({ kind, target, sessionId }) => INTERRUPTING_KILLS.has(kind) && target && sessionId === id,
  );
  const done: DoneCall[] = [];
  for (const [index, turn] of plan.turns.entries()) {
    for (const call of turn.steps.flat()) {
      const outcome = outcomeOf(call, events, lines);
      if (outcome.began > 1) find('calls run twice', `${call.token} began ${outcome.began} times`);
      if (outcome.results.length > 1)
        find('results accepted twice', `${call.token} has ${outcome.results.length} results`);
      const ranAt = Math.max(
        0,
        ...done.map(({ answeredAt }) => answeredAt).filter((at) => at <= outcome.announcedAt),
      );
      const cut = wasCut(outcome, ownKills) || isOutcomeUnknown(outcome, ownKills, kills, ranAt);
      const isDone = verifyCall(call, outcome, turns[index] as ObservedTurn, cut, tally, find);
      // An interrupted call may or may not have saved its memory and outputs.
      if (isDone && !turns[index]?.interrupted)
        done.push({
          call,
          eventId: outcome.eventId ?? '',
          announcedAt: outcome.announcedAt,
          answeredAt: outcome.results[0]?.at ?? 0,
          answer: outcome.results[0]?.text ?? '',
        });
    }
  }
  verifyExtras({ session, disks, outputs, kills: ownKills }, done, tally, find);
  const until = session.endedAt ?? Number.POSITIVE_INFINITY;
  const killed = new Set(ownKills.filter(mayRemoveSandbox).map(({ target }) => target));
  // Shared sandboxes are not counted: a session may use several, one after another.
  const own = disks.filter((disk) => disk.sessionId !== '');
  const kept = own.filter((disk) => (disk.removedAt ?? until) >= until && !killed.has(disk.sandboxId));
  if (kept.length > 1)
    find('sandboxes beyond one per session', `${kept.map(({ sandboxId }) => sandboxId).join(' and ')}`);
  return findings;
}

interface CallOutcome {
  eventId: string | null;
  announcedAt: number;
  results: { at: number; text: string }[];
  began: number;
  ended: number;
}

function outcomeOf({ token }: PlannedCall, events: SessionEvent[], lines: string[]): CallOutcome {
  const use = events.find(
    (event) => event.type === 'agent.tool_use' && JSON.stringify(event.input).includes(`${token} began`),
  );
  const results = events.flatMap((event) =>
    event.type === 'user.tool_result' && event.tool_use_id === use?.id
      ? [{ at: Date.parse(event.processed_at ?? ''), text: JSON.stringify(event.content ?? []) }]
      : [],
  );
  const count = (line: string) => lines.filter((one) => one === line).length;
  return {
    eventId: use?.id ?? null,
    announcedAt: use?.type === 'agent.tool_use' ? Date.parse(use.processed_at) : 0,
    results,
    began: count(`${token} began`),
    ended: count(`${token} ended`),
  };
}

/** @returns whether the call ran once and was answered with its own output */
function verifyCall(
  { token, refused }: PlannedCall,
  { results, began, ended }: CallOutcome,
  turn: ObservedTurn,
  cut: boolean,
  tally: CallTally,
  find: (counter: Counter, what: string) => void,
): boolean {
  const result = results[0];
  if (turn.interrupted && !result) {
    tally.interrupted += 1;
    return false;
  }
  if (!result) {
    find('results lost', `${token} was never answered`);
    return false;
  }
  if (refused && began > 0 && result.text.includes(OUTPUT_REFUSED)) {
    tally.refused += 1;
    // The refused output might have said that memory is not available.
    return false;
  }
  if (result.text.includes(`${token} done`)) {
    if (began === 0)
      find('calls never run though their sandbox lived', `${token} is answered and left no trace`);
    else tally.done += 1;
    return began > 0;
  }
  if (cut) tally.cutOff += 1;
  else if (began === 0)
    find('calls never run though their sandbox lived', `${token}: ${result.text.slice(0, 200)}`);
  else
    find(
      'results lost',
      `${token} ${ended ? 'ended' : 'began'} and is answered with ${result.text.slice(0, 200)}`,
    );
  return false;
}

/** A kill is recorded shortly before it takes effect. */
const CLOCK_SLACK_MS = 1_500;

/** Whether the sandbox was hit while the call was open. */
function wasCut(outcome: CallOutcome, ownKills: Kill[]): boolean {
  return ownKills.some(({ at }) => isWhileOpen(at, outcome));
}

/**
 * Whether a worker was killed while it ran the call, and the sandbox had been killed since the session's last call: the
 * router cannot know whether the call ran before or after that.
 */
function isOutcomeUnknown(outcome: CallOutcome, ownKills: Kill[], kills: Kill[], ranAt: number): boolean {
  return (
    (outcome.results[0]?.text.includes(UNKNOWN_OUTCOME) ?? false) &&
    kills.some(({ kind, at }) => kind === 'kill worker' && isWhileOpen(at, outcome)) &&
    ownKills.some(
      (kill) => mayRemoveSandbox(kill) && kill.at >= ranAt - CLOCK_SLACK_MS && kill.at <= outcome.announcedAt,
    )
  );
}

function isWhileOpen(at: number, { announcedAt, results }: CallOutcome): boolean {
  return at >= announcedAt - CLOCK_SLACK_MS && at <= (results[0]?.at ?? 0) + CLOCK_SLACK_MS;
}

const OUTPUT_REFUSED = 'its output was refused by the API';
const UNKNOWN_OUTCOME = 'Whether the command had an effect is unknown';
