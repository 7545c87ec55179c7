// What a session waits for, since when, and what would move it: decided from the evidence alone. The first cause that
// applies is the one to act on: what stops everything comes before what stops a step, trouble before usual waits.
import type { Diagnosis, Evidence } from './evidence.ts';
import {
  credentialRefused,
  resultUnposted,
  sandboxUnavailable,
  serviceFails,
  slotAwaited,
} from './service-causes.ts';
import {
  approvalAwaited,
  attentionNeeded,
  callRuns,
  environmentDrained,
  pausedByPerson,
  turnUnattended,
  usualWait,
} from './session-causes.ts';
import { noWorker, runEnded, stateUnknown, tasksFail } from './temporal-causes.ts';

export type Cause = (evidence: Evidence) => Diagnosis | null;

const CAUSES: Cause[] = [
  runEnded,
  tasksFail,
  noWorker,
  credentialRefused,
  stateUnknown,
  pausedByPerson,
  slotAwaited,
  sandboxUnavailable,
  resultUnposted,
  serviceFails,
  approvalAwaited,
  environmentDrained,
  turnUnattended,
  callRuns,
  attentionNeeded,
];

export function diagnose(evidence: Evidence): Diagnosis {
  for (const cause of CAUSES) {
    const found = cause(evidence);
    if (found) return found;
  }
  const usual = usualWait(evidence);
  const stuck = evidence.status?.attention.some(({ cause }) => cause === 'stuck') ?? false;
  return { ...usual, trouble: usual.trouble || stuck };
}
