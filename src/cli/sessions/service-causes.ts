// Causes on the side of the two services: a refused credential, a missing template, limits, results that are not taken.
import { CREDENTIAL_REFUSED } from '../../../workflows/contract.ts';
import { command, type Diagnosis, type Evidence, type PendingActivity, pendingOf } from './evidence.ts';

const PREPARATIONS = ['prepareSandbox', 'prepareSharedSandbox', 'enterSharedSandbox'];
/** Phrases of E2B's SDK and service. */
const E2B_REFUSES_KEY = /E2B refuses the key|unauthori[sz]ed|check your credentials|\b401\b|\b403\b/i;
const TEMPLATE = /\btemplate\b/i;
const TOO_MANY = /rate limit|too many|\b429\b|maximum number of (concurrent|running)|concurrent sandboxes/i;

export function credentialRefused({ activities, environment, status }: Evidence): Diagnosis | null {
  const refused = activities.find(({ lastFailure }) => lastFailure?.type === CREDENTIAL_REFUSED);
  // The session itself may not have asked yet: its work item cannot be fetched.
  const queueRefused = environment?.failure?.type === CREDENTIAL_REFUSED && status?.phase !== 'paused';
  if (!refused && !queueRefused) return null;
  const environmentId = environment?.id || status?.details?.environmentId;
  // Not known yet: all keys are tried to find out whose the session is.
  const key = environmentId ? `key of environment ${environmentId}` : 'key of each environment';
  const message = refused?.lastFailure?.message ?? environment?.failure?.message ?? '';
  return {
    kind: 'environment key refused',
    trouble: true,
    waitingFor: `a valid ${key}: Anthropic refuses the present one (${message})`,
    since: refused ? refused.since : (environment?.failure?.since ?? null),
    cure: `Create a ${key} in the Console, set it as ANTHROPIC_ENVIRONMENT_KEY (or environments[].key in the configuration file), and restart the workers; the session goes on by itself`,
  };
}

/** Our own limit of running sandboxes. */
export function slotAwaited({ status, slotAskedAt, sessionId }: Evidence): Diagnosis | null {
  if (status?.phase !== 'waiting for a sandbox' || status.sharedBy) return null;
  const position = status.waitingAt
    ? `position ${status.waitingAt} in the queue`
    : 'its position is not known yet';
  return {
    kind: 'waits for a slot',
    trouble: true,
    waitingFor: `a slot for a running sandbox: as many run as are allowed (${position})`,
    since: slotAskedAt,
    cure: `It gets one when another session pauses. Sooner: raise E2B_MAX_RUNNING_SANDBOXES to what the E2B account allows, or free one: ${command('sessions list --phase idle')}, then ${command('sessions pause ID')} (not ${sessionId})`,
  };
}

export function sandboxUnavailable(evidence: Evidence): Diagnosis | null {
  const pending = pendingOf(evidence, ...PREPARATIONS);
  const note = evidence.status?.attention.find(({ cause }) => cause === 'prepare');
  const message =
    pending?.lastFailure?.message ?? note?.what.replace(/^.*?with this error(?: \([^)]*\))?: /, '') ?? '';
  if (!message) return lostSandbox(evidence, pending);
  const since = pending ? pending.since : Date.parse(note?.since ?? '');
  const retried = pending?.lastFailure
    ? `attempt ${pending.attempt}`
    : 'open calls were answered with the error; the next message tries again';
  const found = { trouble: true, since };
  if (E2B_REFUSES_KEY.test(message))
    return {
      ...found,
      kind: 'E2B key refused',
      waitingFor: `a sandbox: E2B refuses the API key (${message})`,
      cure: `Set a valid E2B_API_KEY and restart the workers (${retried})`,
    };
  if (TOO_MANY.test(message))
    return {
      ...found,
      kind: 'E2B limit',
      waitingFor: `a sandbox: E2B's limit for the account is reached (${message})`,
      cure: `It is tried again by itself (${retried}). Set E2B_MAX_RUNNING_SANDBOXES and E2B_MAX_STARTS_PER_SECOND to the account's limits so that sessions queue in order, kill unused sandboxes (${command('sandboxes list')}), or raise the limit at E2B`,
    };
  if (TEMPLATE.test(message))
    return {
      ...found,
      kind: 'template missing',
      waitingFor: `a sandbox: E2B cannot start one from the template (${message})`,
      cure: `Build the template (${command('setup')}), or set E2B_TEMPLATE to the name of one that the account has; then send a message (${retried})`,
    };
  return {
    ...found,
    kind: 'sandbox cannot be started',
    waitingFor: `a sandbox: E2B does not start one (${message})`,
    cure: `See status.e2b.dev; it is tried again by itself (${retried}). If the sandbox itself is broken: ${command(`sessions replace-sandbox ${evidence.sessionId} --yes`)}`,
  };
}

function lostSandbox({ status }: Evidence, pending: PendingActivity | undefined): Diagnosis | null {
  const { notice, ready } = status?.details?.sandbox ?? {};
  if (!status?.details || !notice || notice === 'files-rolled-back' || ready) return null;
  if (status.phase === 'paused') return null;
  return {
    kind: 'sandbox lost',
    trouble: true,
    waitingFor: 'a new sandbox: the last one no longer exists, and its files with it; the model is told',
    since: pending?.since ?? Date.parse(status.details.turn.since),
    cure: 'Nothing has to be done: the new sandbox is started now',
  };
}

/** A result is in hand that the service has not taken yet, or refuses. */
export function resultUnposted(evidence: Evidence): Diagnosis | null {
  const { status, sessionId } = evidence;
  const posting = pendingOf(evidence, 'postResult');
  const call = status?.openCalls.find(({ state }) => state === 'unposted');
  if (call && posting?.lastFailure)
    return {
      kind: 'result waits to be posted',
      trouble: true,
      waitingFor: `Anthropic to take the result of ${call.name} (${call.id}): ${posting.lastFailure.message} (attempt ${posting.attempt})`,
      since: posting.since,
      cure: `It is posted as soon as the service takes it, and is not lost meanwhile. If it never does: ${command(`sessions repost ${sessionId}`)}, or ${command(`sessions interrupt ${sessionId}`)}`,
    };
  const note = status?.attention.find(({ cause }) => cause === 'result' || cause === 'post');
  if (!note || status?.phase === 'paused') return null;
  return {
    kind: 'result refused',
    trouble: true,
    waitingFor: `the end of a turn in which Anthropic has refused a result: ${note.what}`,
    since: Date.parse(note.since),
    cure: `${command(`sessions interrupt ${sessionId}`)}, or ${command(`sessions repost ${sessionId}`)} once the service takes results again`,
  };
}

/** Another activity is repeated because a service fails. */
export function serviceFails({ activities, environment, sessionId }: Evidence): Diagnosis | null {
  const failing = activities.find(({ lastFailure, attempt }) => lastFailure !== null && attempt > 2);
  if (failing?.lastFailure)
    return {
      kind: 'service fails',
      trouble: true,
      waitingFor: `${WHAT[failing.name] ?? failing.name}: ${failing.lastFailure.message} (attempt ${failing.attempt})`,
      since: failing.since,
      cure: `It is tried again by itself until it succeeds. See status.claude.com and status.e2b.dev; if only this session fails: ${command(`sessions interrupt ${sessionId}`)}`,
    };
  if (!environment?.failure || activities.length > 0) return null;
  return null;
}

const WHAT: Record<string, string> = {
  watchSession: 'the events of the session, which cannot be read',
  checkSession: 'the events of the session, which cannot be read',
  inspectSession: 'the status of the session, which cannot be read',
  findSession: 'the status of the session, which cannot be read',
  claimWork: 'work from the queue, which cannot be asked',
  runToolCall: 'a tool call, whose sandbox does not answer',
  pauseSandbox: 'its sandbox to be paused, which fails',
  restSession: 'the end of its turn: its work item to be stopped, or its sandbox to be paused, which fails',
  stopWork: 'its work item to be stopped, which fails',
  syncMemory: 'memory to be synced, which fails',
};
