// The part of a session's status that only the command line shows.
import type { SessionDetails } from '../session-details.ts';
import { memoryUnavailable } from './memory.ts';
import type { SessionState } from './state.ts';

export function detailsOf(state: SessionState): SessionDetails {
  const { start, turn, sandbox, inspectionDue, memory, outputs, skillProblems } = state;
  return {
    environmentId: start.environmentId,
    turn: { ...turn, since: new Date(turn.since).toISOString() },
    sandbox: {
      ready: sandbox.ready,
      ...(sandbox.modelNotice ? { notice: sandbox.modelNotice } : {}),
      ...(sandbox.failure ? { failure: sandbox.failure } : {}),
    },
    ...(inspectionDue && !inspectionDue.waiting
      ? { inspectionDue: new Date(inspectionDue.at).toISOString() }
      : {}),
    graceMs: start.settings.graceMs,
    orphanedCalls: state.calls.filter(({ orphaned }) => orphaned).map(({ id }) => id),
    lastCalls: state.lastCalls.map(({ name, preview, outcome }) => ({ name, preview, outcome })),
    ...(memory ? { memory: memoryDetails(state, memory) } : {}),
    ...(outputs ? { outputs } : {}),
    ...(skillProblems ? { skillProblems } : {}),
    ...(state.paused ? { paused: { by: state.paused.by, at: new Date(state.paused.at).toISOString() } } : {}),
    ...(state.end ? { ended: state.end } : {}),
  };
}

function memoryDetails(
  state: SessionState,
  { stores, problems }: NonNullable<SessionState['memory']>,
): NonNullable<SessionDetails['memory']> {
  const unavailable = memoryUnavailable(state);
  return {
    stores: stores.map(
      ({ mountPath, storeId, readOnly }) => `${mountPath} (${storeId}${readOnly ? ', read-only' : ''})`,
    ),
    problems: unavailable ? [`unavailable: ${unavailable}`] : problems,
  };
}
