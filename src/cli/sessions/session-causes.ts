// Causes within a session: approvals, orphaned calls, long calls; and the usual waits, in which nothing is wrong.
import type { SessionStatus } from '../../../workflows/messages.ts';
import { duration } from '../times.ts';
import { type Diagnosis, type Evidence, livePollers, pendingOf } from './evidence.ts';

/** A call that runs longer than this is worth a word about its time limit. */
const LONG_CALL_MS = 60_000;
/** `toolCalls` in workflows/activity-policies.ts. */
const CALL_LIMIT = '20 minutes';
/** A work item arrives within seconds of a message. */
const ITEM_WITHIN_MS = 30_000;

export function approvalAwaited({ status, sessionId }: Evidence): Diagnosis | null {
  const calls = status?.openCalls.filter(({ state }) => state === 'waiting for approval') ?? [];
  const [first] = calls;
  if (!status || !first || pendingCalls(status) > 0) return null;
  const more = calls.length > 1 ? ` and ${calls.length - 1} more` : '';
  return {
    kind: 'waits for approval',
    trouble: false,
    waitingFor: `a person's approval of ${describe(first)}${more}`,
    since: Date.parse(first.since),
    cure: `managed-agents-router approvals allow ${sessionId}, or approvals deny ${sessionId} --reason TEXT`,
  };
}

/** Calls that are to run or to be answered without a person. */
function pendingCalls({ openCalls }: SessionStatus): number {
  return openCalls.filter(({ state }) => state === 'running' || state === 'open').length;
}

/** A turn is under way at Anthropic, and no work item for it has come. */
export function turnUnattended({ status, environment, sessionId, now }: Evidence): Diagnosis | null {
  const details = status?.details;
  if (!status || !details || status.workId !== null) return null;
  const orphaned = status.openCalls.filter(({ id }) => details.orphanedCalls.includes(id));
  const since = Date.parse(details.turn.since);
  const late = now - since > ITEM_WITHIN_MS && ['waking', 'working'].includes(status.phase);
  if (!details.inspectionDue && orphaned.length === 0 && !late) return null;
  const [call] = orphaned.length > 0 ? orphaned : status.openCalls;
  const watch = environment?.running
    ? environment.failure
      ? `; the queue cannot be watched: ${environment.failure.message}`
      : ''
    : '; no workflow watches the queue of its environment';
  const others = 'another program may take work items of this environment from the queue';
  return {
    kind: call ? 'orphaned call' : 'no work item',
    trouble: true,
    waitingFor: call
      ? `an answer to ${describe(call)}, a call without a work item${watch}`
      : `its work item: a turn is under way, and the queue has offered none${watch}`,
    since,
    cure: `managed-agents-router environments reconcile ${environment?.id ?? 'ID'}, then ${call ? `sessions answer ${sessionId} --call ${call.id} --text TEXT, or ` : ''}sessions interrupt ${sessionId}; ${others}. SESSION_STUCK_CALLS says what the router does by itself`,
  };
}

export function callRuns(evidence: Evidence): Diagnosis | null {
  const { status, now, sessionId } = evidence;
  const running = pendingOf(evidence, 'runToolCall');
  const call = status?.openCalls.find(({ state }) => state === 'running');
  if (!status || !running || !call) return null;
  const since = running.since ?? running.startedAt;
  const long = since !== null && now - since > LONG_CALL_MS;
  const failed = running.lastFailure ? `; an attempt failed: ${running.lastFailure.message}` : '';
  return {
    kind: long ? 'long call' : 'call runs',
    trouble: false,
    waitingFor: `the end of ${describe(call)}${failed}`,
    since,
    cure: `It ends by itself, at its own time limit or after ${CALL_LIMIT} at the latest. Sooner: managed-agents-router sessions interrupt ${sessionId}`,
  };
}

/** A note of the workflow that no other cause explains. */
export function attentionNeeded({ status, sessionId }: Evidence): Diagnosis | null {
  // That nothing moves is no cause of its own.
  const note = status?.attention.findLast(({ cause }) => cause !== 'stuck');
  if (!status || !note) return null;
  return {
    kind: `attention: ${note.cause}`,
    trouble: true,
    waitingFor:
      status.phase === 'paused' || status.phase === 'idle' ? `a message; but: ${note.what}` : note.what,
    since: Date.parse(note.since),
    cure: `docs/runbook.md has an entry for it; managed-agents-router sessions logs ${sessionId} shows what its sandbox says`,
  };
}

export function usualWait(evidence: Evidence): Diagnosis {
  const { status, now, run, taskQueue } = evidence;
  const fine = { trouble: false, since: status ? turnSince(status) : run.lastEventAt };
  const details = status?.details;
  const worker =
    livePollers(evidence).length === 0
      ? ` (no worker takes tasks from ${taskQueue} now: start one, or the message waits for it)`
      : '';
  switch (details?.turn.state) {
    case 'waiting':
      return {
        ...fine,
        kind: 'waits for a client',
        waitingFor: `another client (${details.turn.reason}): for example the result of a custom tool`,
        cure: `The application that owns the session has to answer; or end the turn: managed-agents-router sessions interrupt ${evidence.sessionId}`,
      };
    case 'running':
      return {
        ...fine,
        kind: 'model',
        waitingFor: status?.workId ? 'the model, which works at Anthropic' : 'its work item from the queue',
        cure: `Nothing has to be done. To end the turn: managed-agents-router sessions interrupt ${evidence.sessionId}`,
      };
    default:
  }
  if (status?.phase === 'waking')
    return {
      ...fine,
      kind: 'waking',
      waitingFor: 'its work item from the queue',
      cure: 'Nothing has to be done',
    };
  const pausesAt = details ? Date.parse(details.turn.since) + details.graceMs : 0;
  if (details?.sandbox.ready)
    return {
      ...fine,
      kind: 'idle',
      waitingFor: `a message${worker}`,
      cure: `Nothing is wrong: its turn is over. Its sandbox is paused in ${duration(pausesAt - now)}; a message goes on at once`,
    };
  return {
    ...fine,
    kind: 'paused',
    waitingFor: `a message${worker}`,
    cure: 'Nothing is wrong: its turn is over and its sandbox is paused. The next message resumes it',
  };
}

function turnSince({ details }: SessionStatus): number | null {
  return details ? Date.parse(details.turn.since) : null;
}

function describe({ id, name, preview }: SessionStatus['openCalls'][number]): string {
  return `${name}${preview ? ` \`${preview}\`` : ''} (${id})`;
}
