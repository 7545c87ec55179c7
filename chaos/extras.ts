// Verifies the extras of finished calls: memory, skills, approvals, outputs. A pure function, called by
// verify-session.ts.

import type { SessionEvent } from './client.ts';
import type { Disk } from './evidence.ts';
import { type Kill, mayRemoveSandbox } from './kills.ts';
import type { PlannedCall } from './plan.ts';
import type { ObservedSession } from './sessions.ts';

export const EXTRAS_COUNTERS = [
  'memories lost',
  'memories saved twice',
  'calls without their skill',
  'calls run without their approval',
  'outputs lost',
] as const;

export type ExtrasCounter = (typeof EXTRAS_COUNTERS)[number];

export interface ExtrasTally {
  memories: number;
  skilled: number;
  approved: number;
  outputs: number;
}

export interface DoneCall {
  call: PlannedCall;
  /** Id of the call's event. */
  eventId: string;
  announcedAt: number;
  answeredAt: number;
  /** The result as JSON. */
  answer: string;
}

export interface Records {
  session: ObservedSession;
  disks: Disk[];
  /** Names of the session's copied output files. */
  outputs: string[];
  /** Blows that fell on the session's sandbox. */
  kills: Kill[];
}

/** The router has printed the model that there is no memory, as it has to where no work item extras a token. */
const MEMORY_UNAVAILABLE = 'Memory is not available now';

type Find = (counter: ExtrasCounter, what: string) => void;

export function verifyExtras(
  { session, disks, outputs, kills }: Records,
  done: DoneCall[],
  tally: ExtrasTally,
  find: Find,
): void {
  const { plan, store, events } = session;
  const lines = disks.flatMap(({ calls }) => calls);
  for (const { call, eventId, announcedAt, answeredAt, answer } of done) {
    const { token } = call;
    // With its sandbox goes what was neither saved nor copied yet.
    const gone = kills.some((kind) => mayRemoveSandbox(kind) && kind.at >= announcedAt);
    if (plan.extras.skill) {
      if (lines.includes(`${token} unskilled`)) find('calls without their skill', token);
      else tally.skilled += 1;
    }
    if (plan.extras.memory && !gone) {
      if (store?.contents[`/${token}`] === `${token}\n`) tally.memories += 1;
      else if (!answer.includes(MEMORY_UNAVAILABLE))
        find('memories lost', `${token}: the store has ${JSON.stringify(store?.contents[`/${token}`])}`);
    }
    if (plan.extras.outputs && !gone) {
      if (outputs.includes(token)) tally.outputs += 1;
      else find('outputs lost', `${token} was not copied`);
    }
    if (call.approveAfterMs !== null) {
      const at = approvedAt(events ?? [], eventId);
      if (at !== null && at <= answeredAt) tally.approved += 1;
      else
        find(
          'calls run without their approval',
          `${token} was ${at ? 'answered before it' : 'never'} allowed`,
        );
    }
  }
  const counts = new Map<string, number>();
  for (const change of store?.changes ?? []) counts.set(change, (counts.get(change) ?? 0) + 1);
  for (const [change, times] of counts)
    if (times > 1 || !change.startsWith('created '))
      find('memories saved twice', `${change}, ${times} times`);
}

function approvedAt(events: SessionEvent[], callId: string): number | null {
  const allowed = events.find(
    (event) => event.type === 'user.tool_confirmation' && event.tool_use_id === callId,
  );
  return allowed?.type === 'user.tool_confirmation' ? Date.parse(allowed.processed_at ?? '') : null;
}
