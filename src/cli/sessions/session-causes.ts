// Causes within a session: approvals, orphaned calls, long calls; and the usual waits, in which nothing is wrong.
import type { SessionStatus } from '../../../workflows/messages.ts';
import { duration } from '../times.ts';
import { command, type Diagnosis, type Evidence, livePollers, pendingOf } from './evidence.ts';

/** A call that runs longer than this is worth a word about its time limit. */
const LONG_CALL_MS = 60_000;
/** `toolCalls` in workflows/activity-policies.ts. */
const CALL_LIMIT = '20 minutes';
/** A work item arrives within seconds of a message. */
const ITEM_WITHIN_MS = 30_000;

/** A person has asked it to stand still. */
export function pausedByPerson({ status, sessionId }: Evidence): Diagnosis | null {
  const paused = status?.details?.paused;
  if (!paused) return null;
  return {
    kind: 'paused by a person',
    trouble: false,
    waitingFor: `a person who lets it go on: ${paused.by} has paused it`,
    since: Date.parse(paused.at),
    cure: command(`sessions resume ${sessionId}`),
  };
}

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
    cure: `${command(`approvals allow ${sessionId}`)}, or ${command(`approvals deny ${sessionId} --reason TEXT`)}`,
  };
}

/** A person has drained its environment, and its turn needs a work item, or its next one will. */
export function environmentDrained({ status, environment }: Evidence): Diagnosis | null {
  if (!environment?.drainedSince || !status || status.workId !== null) return null;
  return {
    kind: 'environment drained',
    trouble: false,
    waitingFor: `work from the queue: a person has drained environment ${environment.id}, so that it takes none`,
    since: Date.parse(environment.drainedSince),
    cure: `${command(`environments resume ${environment.id}`)}. New turns wait in the queue until then`,
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
    cure: `${command(`environments reconcile ${environment?.id ?? 'ID'}`)}, then ${call ? `${command(`sessions answer ${sessionId} --call ${call.id} --text TEXT`)}, or ` : ''}${command(`sessions interrupt ${sessionId}`)}; ${others}. SESSION_STUCK_CALLS says what the router does by itself`,
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
    cure: `It ends by itself, at its own time limit or after ${CALL_LIMIT} at the latest. Sooner: ${command(`sessions interrupt ${sessionId}`)}`,
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
    cure: `docs/runbook.md#${note.cause} has the cure; ${command(`sessions logs ${sessionId}`)} shows what its sandbox says`,
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
        cure: `The application that owns the session has to answer; or end the turn: ${command(`sessions interrupt ${evidence.sessionId}`)}`,
      };
    case 'running':
      return {
        ...fine,
        kind: 'model',
        waitingFor: status?.workId ? 'the model, which works at Anthropic' : 'its work item from the queue',
        cure: `Nothing has to be done. To end the turn: ${command(`sessions interrupt ${evidence.sessionId}`)}`,
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
