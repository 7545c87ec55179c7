// The tool calls of a session: asked for, waiting for approval, running, answered. Pure, like state.ts.
import { raise } from '../attention.ts';
import type { CallResult, KnownCall } from '../contract.ts';
import type { OpenCall, ToolCallsClosed } from '../messages.ts';
import { errorResult, INTERRUPTED } from '../model-notices.ts';
import { recordRefused } from './operator.ts';
import { type Call, OPEN_CALLS_KEPT, PREVIEW_CHARS, remember, type SessionState } from './state.ts';

/** A new listing of the session's events never reports an answered call, so only late signals need these. */
const ANSWERED_KEPT = 500;
const LAST_CALLS_KEPT = 8;

/** The calls that the workflow has, as a watch or a look takes them. */
export function knownCalls(state: SessionState): KnownCall[] {
  return state.calls.map(({ id, awaitingApproval }) => ({ id, awaitingApproval: awaitingApproval === true }));
}

export function recordCallsRequested(state: SessionState, calls: OpenCall[], now: number): void {
  for (const call of calls) {
    if (call.stillAwaited) recordStillAwaited(state, call, now);
    if (call.stillAwaited || state.answered.includes(call.id)) continue;
    const known = state.calls.find((other) => other.id === call.id);
    if (!known) {
      // Those that come after one without room wait with it: they keep their order.
      if (state.calls.length >= OPEN_CALLS_KEPT) state.moreCalls = true;
      if (state.moreCalls) continue;
      state.calls.push({ ...ownFields(call), state: 'open', since: now });
      state.sandbox.failure = null;
    } else if (known.state === 'open' && known.awaitingApproval && !call.awaitingApproval) {
      delete known.awaitingApproval;
    }
  }
  state.turn = { state: 'running', reason: 'tool calls', since: now };
  state.lastUsed = now;
}

/** What a message holds beyond them is not carried along. */
function ownFields({ id, name, preview, threadId, awaitingApproval, orphaned }: OpenCall): OpenCall {
  return {
    id,
    name,
    preview: preview.slice(0, PREVIEW_CHARS),
    ...(typeof threadId === 'string' ? { threadId } : {}),
    ...(awaitingApproval ? { awaitingApproval: true } : {}),
    ...(orphaned ? { orphaned: true } : {}),
  };
}

export function recordCallsClosed(state: SessionState, { callIds, why }: ToolCallsClosed): void {
  for (const call of state.calls) {
    if (callIds.includes(call.id)) call.closed = why;
  }
  for (const call of state.calls.filter((one) => one.closed && one.state !== 'running')) {
    recordCallDone(state, call.id, why);
  }
}

/** A call left the workflow's hands: answered, refused for good, or no longer wanted. */
export function recordCallDone(state: SessionState, callId: string, outcome: string): void {
  const call = state.calls.find((one) => one.id === callId);
  if (!call) return;
  if (call.stillAwaited && outcome === 'interrupted') {
    answerInterrupted(call);
    return;
  }
  state.calls = state.calls.filter((one) => one !== call);
  remember(state.answered, callId, ANSWERED_KEPT);
  state.lastCalls.push({ id: callId, name: call.name, preview: call.preview, outcome });
  state.lastCalls.splice(0, state.lastCalls.length - LAST_CALLS_KEPT);
  state.callsDone += 1;
}

/** The result is in hand and could not be posted for now. */
export function recordUnposted(state: SessionState, callId: string, result: CallResult, now: number): void {
  const call = state.calls.find((one) => one.id === callId);
  if (!call) return;
  if (call.closed) {
    recordCallDone(state, callId, call.closed);
    return;
  }
  call.state = 'unposted';
  call.result = result;
  state.turn.since = now;
}

/** What became of a result: `Posted` in contract.ts. */
export function recordPosted(
  state: SessionState,
  call: Call,
  posted: { outcome: string; reason?: string },
  outcome: string,
  now: number,
): void {
  const { id, name } = call;
  const reason = posted.reason ? `: ${posted.reason.slice(0, PREVIEW_CHARS)}` : '';
  if (posted.outcome === 'replaced') recordCallDone(state, id, `output refused, the model was told${reason}`);
  else recordCallDone(state, id, outcome);
  if (posted.outcome === 'interrupted')
    raise(
      state,
      'result',
      `The service took no result of ${name} (${id}); its turn was interrupted${reason}`,
      now,
    );
  if (posted.outcome === 'refused') {
    recordRefused(state, call);
    raise(
      state,
      'result',
      `The result of ${name} (${id}) was refused; interrupt the session if its turn does not end${reason}`,
      now,
    );
  }
}

/** A call that was interrupted is answered after all, once: as soon as its command has been cancelled. */
function recordStillAwaited(state: SessionState, call: OpenCall, now: number): void {
  const known = state.calls.find((one) => one.id === call.id);
  if (known?.closed) known.stillAwaited = true;
  if (!known && state.calls.length >= OPEN_CALLS_KEPT) state.moreCalls = true;
  if (known || state.moreCalls) return;
  state.answered = state.answered.filter((id) => id !== call.id);
  const reopened: Call = { ...ownFields(call), state: 'unposted', since: now };
  answerInterrupted(reopened);
  state.calls.push(reopened);
}

function answerInterrupted(call: Call): void {
  delete call.stillAwaited;
  delete call.closed;
  delete call.cancelled;
  call.state = 'unposted';
  call.result = errorResult(INTERRUPTED);
}
