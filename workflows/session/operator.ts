// What people have asked of a session by updates: recorded here, done by the loop. Pure, like state.ts.
import { settlePending } from '../answered-updates.ts';
import { errorResult } from '../model-notices.ts';
import type {
  AnswerRequest,
  ReplaceRequest,
  RepostRequest,
  UpdateAnswer,
  UpdateRequest,
} from '../updates.ts';
import { type Call, isCovered, type SessionState, UNPOSTED_KEPT } from './state.ts';
import type { Wish, Wished } from './wishes.ts';

const REFUSED_KEPT = 8;

/** An answer, or a function that has one later. */
export type Outcome = UpdateAnswer | (() => UpdateAnswer | null);

export function recordPaused(state: SessionState, { by }: UpdateRequest, now: number): void {
  state.paused ??= { by, at: now };
  state.expecting = false;
  state.lastUsed = now;
}

export function recordResumed(state: SessionState, now: number): void {
  delete state.paused;
  state.sandbox.failure = null;
  state.lastUsed = now;
  // A turn that began meanwhile without a work item is looked for.
  if (!isCovered(state)) state.claimDue = true;
}

/** A wish of the same kind that is not done yet is joined. */
export function recordWish(
  state: SessionState,
  kind: Wished,
  { by, force }: ReplaceRequest,
  now: number,
): Wish {
  state.wishes ??= {};
  state.wishes[kind] ??= { by, since: now };
  const wish = state.wishes[kind];
  if (force) wish.force = true;
  return wish;
}

/** Done, or given up; also for those who were told that it is pending. */
export function finishWish(
  state: SessionState,
  kind: Wished,
  name: string,
  outcome: UpdateAnswer['outcome'],
  text: string,
  keeps: string,
): void {
  const wish = state.wishes?.[kind];
  const answer = { outcome, text, keeps };
  if (wish) wish.answer = answer;
  delete state.wishes?.[kind];
  settlePending(state, name, answer);
}

/** The result may still be in the sandbox's journal. */
export function recordRefused(state: SessionState, { id, name, preview, threadId }: Call): void {
  const others = (state.refused ?? []).filter((call) => call.id !== id);
  const call = { id, name, preview, ...(threadId ? { threadId } : {}) };
  state.refused = [...others, call].slice(-REFUSED_KEPT);
}

/** Results that are kept are posted now; refused ones are read from the sandbox again. @returns the calls */
export function recordRepost(state: SessionState, { by, callId }: RepostRequest, now: number): string[] {
  const asked = ({ id }: { id: string }) => callId === undefined || id === callId;
  const kept = state.calls.filter((call) => call.state === 'unposted' && asked(call));
  const refused = (state.refused ?? []).filter(asked);
  if (kept.length > 0) recordWish(state, 'repost', { by }, now);
  for (const call of refused) reopen(state, { ...call, state: 'open', since: now, repost: true });
  return [...kept, ...refused].map(({ id }) => id);
}

/** The text is the result of the call, which does not run any more. */
export function recordAnswer(
  state: SessionState,
  { callId, text, isError = false }: AnswerRequest,
  now: number,
): void {
  const result = { ...errorResult(text), isError };
  const open = state.calls.find(({ id }) => id === callId);
  if (open) Object.assign(open, { state: 'unposted', result });
  else {
    const known = state.refused?.find(({ id }) => id === callId);
    const call = known ?? { id: callId, name: 'a call', preview: 'answered by hand' };
    reopen(state, { ...call, state: 'unposted', since: now, result });
  }
}

function reopen(state: SessionState, call: Call): void {
  state.refused = state.refused?.filter(({ id }) => id !== call.id) ?? [];
  state.answered = state.answered.filter((id) => id !== call.id);
  state.calls.push(call);
}

/** Whether another result can be kept until it is posted. */
export function hasRoomForResult(state: SessionState): boolean {
  return state.calls.filter((call) => call.state === 'unposted').length < UNPOSTED_KEPT;
}

/** Calls that can be reposted. */
export function repostable(state: SessionState): string[] {
  const kept = state.calls.filter((call) => call.state === 'unposted');
  return [...kept, ...(state.refused ?? [])].map(({ id }) => id);
}

/** What became of a call after its result was to be posted; null until it is known. */
export function posted(state: SessionState, callId: string): UpdateAnswer | null {
  if (state.calls.some(({ id }) => id === callId)) return null;
  const outcome = state.lastCalls.findLast(({ id }) => id === callId)?.outcome ?? 'over';
  const keeps = keepsOf(state);
  if (outcome === 'answered' || outcome === 'answered elsewhere')
    return { outcome: 'already', text: `The service waits for no result of ${callId} any more.`, keeps };
  if (POSTED.has(outcome))
    return { outcome: 'done', text: `The service has the result of ${callId}.`, keeps };
  return { outcome: 'failed', text: `The result of ${callId} was not posted: ${outcome}.`, keeps };
}

const POSTED = new Set(['posted later', 'done', 'failed']);

export function keepsOf(state: SessionState): string {
  const { work, calls, sandbox } = state;
  return [
    work ? `the lease on ${work.id}` : 'no lease (none was held)',
    `${calls.length} open calls`,
    sandbox.id ? `sandbox ${sandbox.id} with its files and processes` : 'no sandbox (there was none)',
  ].join(', ');
}

export function knows(state: SessionState, callId: string): boolean {
  return (
    state.answered.includes(callId) ||
    repostable(state).includes(callId) ||
    state.calls.some(({ id }) => id === callId)
  );
}
