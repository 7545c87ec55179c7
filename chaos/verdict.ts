// Reckons from the records what was lost and what was done twice. Pure: its tests bring forged records.

import type { SessionEvent } from './client.ts';
import type { Disk } from './evidence.ts';
import { BROUGHT_COUNTERS, type BroughtTally, type DoneCall, judgeBrought } from './extras.ts';
import { mayTakeSandbox, type Struck } from './kills.ts';
import type { PlannedCall } from './plan.ts';
import type { SessionSeen, TurnSeen } from './sessions.ts';

/** Every one has to stay at zero. */
export const COUNTERS = [
  'sessions not ended',
  'calls run twice',
  'calls never run though their sandbox lived',
  'results lost',
  'results accepted twice',
  ...BROUGHT_COUNTERS,
  'sandboxes beyond one per session',
  'sandboxes left over',
  'work items left over',
  'workflows failed or stuck',
  'credentials found',
  'histories that do not replay',
] as const;

export type Counter = (typeof COUNTERS)[number];

export interface Finding {
  counter: Counter;
  /** The session, where it is about one. */
  sessionId: string | null;
  what: string;
}

export interface CallTally extends BroughtTally {
  /** Ran once, and its own output was accepted. */
  done: number;
  /** Cut off by a blow on its sandbox or toolhost, and answered so. */
  cutOff: number;
  /** Of a turn that its user interrupted. */
  interrupted: number;
}

export function emptyTally(): CallTally {
  return { done: 0, cutOff: 0, interrupted: 0, memories: 0, skilled: 0, approved: 0, outputs: 0 };
}

/** Blows that cut off what runs in a sandbox. */
const CUTTING = new Set(['kill toolhost', 'restart sandbox', 'kill sandbox']);

export function judgeSession(
  session: SessionSeen,
  disks: Disk[],
  outputs: string[],
  struck: Struck[],
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
  const lines = disks.flatMap(({ calls }) => calls);
  const blows = struck.filter((blow) => CUTTING.has(blow.blow) && blow.target && blow.sessionId === id);
  const done: DoneCall[] = [];
  for (const [index, turn] of plan.turns.entries()) {
    for (const call of turn.steps.flat()) {
      const fate = fateOf(call, events, lines);
      if (fate.began > 1) find('calls run twice', `${call.token} began ${fate.began} times`);
      if (fate.results.length > 1)
        find('results accepted twice', `${call.token} has ${fate.results.length} results`);
      const ranAt = Math.max(
        0,
        ...done.map(({ answeredAt }) => answeredAt).filter((at) => at <= fate.announcedAt),
      );
      const cut = isCut(fate, blows) || isLeftUnknown(fate, blows, struck, ranAt);
      const isDone = judgeCall(call, fate, turns[index] as TurnSeen, cut, tally, find);
      // What an interrupt fell on may be saved or not.
      if (isDone && !turns[index]?.interrupted)
        done.push({
          call,
          eventId: fate.eventId ?? '',
          announcedAt: fate.announcedAt,
          answeredAt: fate.results[0]?.at ?? 0,
          answer: fate.results[0]?.text ?? '',
        });
    }
  }
  judgeBrought({ session, disks, outputs, blows }, done, tally, find);
  const until = session.endedAt ?? Number.POSITIVE_INFINITY;
  const killed = new Set(blows.filter(mayTakeSandbox).map(({ target }) => target));
  // Of shared ones there is one for each agent, and one after the other.
  const own = disks.filter((disk) => disk.sessionId !== '');
  const kept = own.filter((disk) => (disk.removedAt ?? until) >= until && !killed.has(disk.sandboxId));
  if (kept.length > 1)
    find('sandboxes beyond one per session', `${kept.map(({ sandboxId }) => sandboxId).join(' and ')}`);
  return findings;
}

interface Fate {
  eventId: string | null;
  announcedAt: number;
  results: { at: number; text: string }[];
  began: number;
  ended: number;
}

function fateOf({ token }: PlannedCall, events: SessionEvent[], lines: string[]): Fate {
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

/** @returns whether it ran once and is answered with its own output */
function judgeCall(
  { token }: PlannedCall,
  { results, began, ended }: Fate,
  turn: TurnSeen,
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

/** A blow takes a moment from its note to its effect. */
const CLOCK_SLACK_MS = 1_500;

/** Whether its sandbox was struck while it was open. */
function isCut(fate: Fate, blows: Struck[]): boolean {
  return blows.some(({ at }) => isWhileOpen(at, fate));
}

/**
 * Whether a worker died with the call in its hands, and what it had done with it cannot be asked: the sandbox has been
 * gone since the session's last call, and nobody says since when.
 */
function isLeftUnknown(fate: Fate, blows: Struck[], struck: Struck[], ranAt: number): boolean {
  return (
    (fate.results[0]?.text.includes(UNKNOWN_OUTCOME) ?? false) &&
    struck.some(({ blow, at }) => blow === 'kill worker' && isWhileOpen(at, fate)) &&
    blows.some(
      (blow) => mayTakeSandbox(blow) && blow.at >= ranAt - CLOCK_SLACK_MS && blow.at <= fate.announcedAt,
    )
  );
}

function isWhileOpen(at: number, { announcedAt, results }: Fate): boolean {
  return at >= announcedAt - CLOCK_SLACK_MS && at <= (results[0]?.at ?? 0) + CLOCK_SLACK_MS;
}

const UNKNOWN_OUTCOME = 'Whether the command had an effect is unknown';
