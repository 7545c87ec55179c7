// Which state of a session allows which update, and what a person reads where it does not. Pure.
import { NO_SUCH_CALL, UPDATE_REFUSED, type UpdateRequest } from '../updates.ts';
import { hasRoomForResult, knows, repostable } from './operator.ts';
import type { SessionState } from './state.ts';

export type Refusal = 'pause' | 'resume' | 'interrupt' | 'replaceSandbox' | 'repost' | 'answer' | 'end';

/**
 * @param phase of the session, for the message
 * @returns null if the update is accepted; otherwise the type of the failure, and which states allow the update
 */
export function refusalOf(
  state: SessionState,
  name: Refusal,
  request: UpdateRequest & { callId?: string },
  phase: string,
): { type: string; message: string } | null {
  const { sessionId } = state.start;
  const refused = (why: string, allowed: string) => ({
    type: UPDATE_REFUSED,
    message: `${name} of ${sessionId} (${phase}) is refused: ${why}. ${allowed}`,
  });
  if (state.end && name !== 'end')
    return refused(`the session ends (${state.end})`, 'It is allowed before a session ends.');
  switch (name) {
    case 'interrupt':
      if (state.start.environmentId) return null;
      return refused('its environment is not known yet', 'It is allowed once the session has been read.');
    case 'replaceSandbox':
      if (!state.share) return null;
      return refused(
        `its sandbox is shared by the sessions of the ${state.share.scope}`,
        'It is allowed where a session has a sandbox of its own.',
      );
    case 'repost':
      return repostRefusal(state, request.callId, refused);
    case 'answer':
      return answerRefusal(state, request.callId ?? '', refused);
    case 'end':
      return endRefusal(state, refused);
    default:
      return null;
  }
}

type Refused = (why: string, allowed: string) => { type: string; message: string };

function repostRefusal(state: SessionState, callId: string | undefined, refused: Refused) {
  const ids = repostable(state);
  const allowed = `It is allowed for a result that is kept or was refused; now: ${ids.join(', ') || 'none'}.`;
  if (callId === undefined) return ids.length > 0 ? null : refused('no result waits', allowed);
  if (!knows(state, callId)) return unknownCall(state, callId);
  if (state.calls.some(({ id, state: now }) => id === callId && now !== 'unposted'))
    return refused(`${callId} has no result yet`, allowed);
  return null;
}

function answerRefusal(state: SessionState, callId: string, refused: Refused) {
  if (!knows(state, callId)) return unknownCall(state, callId);
  const call = state.calls.find(({ id }) => id === callId);
  const allowed = 'It is allowed for a call that is open and not running, or whose result was refused.';
  if (call?.state === 'running') return refused(`${callId} runs; interrupt the session first`, allowed);
  if (call?.state === 'unposted') return refused(`${callId} has a result, which is being posted`, allowed);
  if (call?.awaitingApproval) return refused(`${callId} waits for an approval: allow or deny it`, allowed);
  return hasRoomForResult(state) ? null : refused('too many results wait to be posted', allowed);
}

function endRefusal(state: SessionState, refused: Refused) {
  const allowed = 'It is allowed when the turn is over and no call is open: interrupt the session first.';
  if (state.end) return null;
  if (state.calls.some((call) => call.state === 'unposted'))
    return refused('a result waits to be posted', allowed);
  if (state.calls.length > 0 || state.moreCalls) return refused('calls are open', allowed);
  if (state.turn.state !== 'idle' || state.inspectionDue) return refused('a turn is under way', allowed);
  return state.claimDue || state.expecting ? refused('a turn begins', allowed) : null;
}

function unknownCall(state: SessionState, callId: string) {
  const known = state.calls.map(({ id }) => id).slice(0, 5);
  const message = `session ${state.start.sessionId} has no call ${callId}; its open calls: ${known.join(', ') || 'none'}`;
  return { type: NO_SUCH_CALL, message };
}
