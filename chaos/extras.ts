// Reckons what became of what sessions bring along and leave behind: memory, skills, approvals, outputs. Pure, as
// verdict.ts, which asks for each call that is done.

import type { SessionEvent } from './client.ts';
import type { Disk } from './evidence.ts';
import { mayTakeSandbox, type Struck } from './kills.ts';
import type { PlannedCall } from './plan.ts';
import type { SessionSeen } from './sessions.ts';

export const BROUGHT_COUNTERS = [
  'memories lost',
  'memories saved twice',
  'calls without their skill',
  'calls run without their approval',
  'outputs lost',
] as const;

export type BroughtCounter = (typeof BROUGHT_COUNTERS)[number];

export interface BroughtTally {
  memories: number;
  skilled: number;
  approved: number;
  outputs: number;
}

export interface DoneCall {
  call: PlannedCall;
  /** Id of its event. */
  eventId: string;
  announcedAt: number;
  answeredAt: number;
  /** Its result, as JSON. */
  answer: string;
}

export interface Records {
  session: SessionSeen;
  disks: Disk[];
  /** Names of the session's files where outputs are copied to. */
  outputs: string[];
  /** Blows that fell on the session's sandbox. */
  blows: Struck[];
}

/** The router has told the model that there is no memory, as it has to where no work item brings a token. */
const MEMORY_AWAY = 'Memory is not available now';

type Find = (counter: BroughtCounter, what: string) => void;

export function judgeBrought(
  { session, disks, outputs, blows }: Records,
  done: DoneCall[],
  tally: BroughtTally,
  find: Find,
): void {
  const { plan, store, events } = session;
  const lines = disks.flatMap(({ calls }) => calls);
  for (const { call, eventId, announcedAt, answeredAt, answer } of done) {
    const { token } = call;
    // With its sandbox goes what was neither saved nor copied yet.
    const gone = blows.some((blow) => mayTakeSandbox(blow) && blow.at >= announcedAt);
    if (plan.brings.skill) {
      if (lines.includes(`${token} unskilled`)) find('calls without their skill', token);
      else tally.skilled += 1;
    }
    if (plan.brings.memory && !gone) {
      if (store?.holds[`/${token}`] === `${token}\n`) tally.memories += 1;
      else if (!answer.includes(MEMORY_AWAY))
        find('memories lost', `${token}: the store has ${JSON.stringify(store?.holds[`/${token}`])}`);
    }
    if (plan.brings.outputs && !gone) {
      if (outputs.includes(token)) tally.outputs += 1;
      else find('outputs lost', `${token} was not copied`);
    }
    if (call.approveAfterMs !== null) {
      const at = allowedAt(events ?? [], eventId);
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

function allowedAt(events: SessionEvent[], callId: string): number | null {
  const allowed = events.find(
    (event) => event.type === 'user.tool_confirmation' && event.tool_use_id === callId,
  );
  return allowed?.type === 'user.tool_confirmation' ? Date.parse(allowed.processed_at ?? '') : null;
}
