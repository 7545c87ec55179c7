/** The heartbeat of a work item: extends its lease under an optimistic lock. */
import { ApiError } from './errors.ts';
import type { State, WorkRecord } from './state.ts';

const NO_HEARTBEAT = 'NO_HEARTBEAT';
const MAX_TTL_SECONDS = 300;

/** Answers a heartbeat. Throws 412 when `expected` differs from the stored heartbeat. */
export function heartbeatItem(
  state: State,
  item: WorkRecord,
  expected: string | undefined,
  desiredTtl: number | undefined,
): Record<string, unknown> {
  const matches = expected === undefined || expected === (item.heartbeat ?? NO_HEARTBEAT);
  if (item.state === 'stopping' || item.state === 'stopped') {
    if (!matches && state.switches.get('stopped-heartbeat') === '412')
      throw preconditionFailed(state, item, expected);
    return answer(item, item.state, false);
  }
  if (item.state === 'queued' && item.lapsed && state.switches.get('late-heartbeat') === 'stopped') {
    return answer(item, 'stopped', false);
  }
  if (!matches || !mayTakeLease(state, item)) throw preconditionFailed(state, item, expected);
  if (desiredTtl !== undefined && state.switches.get('desired-ttl') === 'honoured') {
    item.ttlSeconds = Math.min(desiredTtl, MAX_TTL_SECONDS);
  }
  const now = state.clock.iso();
  item.state = 'active';
  item.acknowledged_at ??= now;
  item.started_at ??= now;
  item.heartbeat = nextHeartbeatValue(item.heartbeat, now);
  item.latest_heartbeat_at = now;
  state.work.put(item.id, item);
  return answer(item, item.state, true);
}

/** No worker holds the lease of a queued item. Whether a heartbeat replaces a missing acknowledgement is a switch. */
function mayTakeLease(state: State, item: WorkRecord): boolean {
  if (item.state !== 'queued') return true;
  return Boolean(item.deliveredAt) && state.switches.get('unacked-heartbeat') === 'starts';
}

/** A timestamp that differs from the previous one: its last three digits are a counter. */
function nextHeartbeatValue(previous: string | null, now: string): string {
  for (let count = 0; ; count += 1) {
    const value = now.replace('Z', `${String(count).padStart(3, '0')}Z`);
    if (value !== previous) return value;
  }
}

function answer(item: WorkRecord, shown: string, extended: boolean): Record<string, unknown> {
  return {
    type: 'work_heartbeat',
    last_heartbeat: item.heartbeat ?? '',
    lease_extended: extended,
    state: shown,
    ttl_seconds: item.ttlSeconds,
  };
}

function preconditionFailed(state: State, item: WorkRecord, expected: string | undefined): ApiError {
  const message = `Heartbeat precondition failed: expected ${expected ?? NO_HEARTBEAT}, actual was ${item.heartbeat ?? 'NULL'}`;
  if (state.switches.get('precondition-details') === 'off') return new ApiError(412, message);
  return new ApiError(412, message, {
    error_code: 'heartbeat_precondition_failed',
    current_state: {
      state: item.state,
      last_heartbeat: item.heartbeat,
      lease_extended: false,
      ttl_seconds: item.ttlSeconds,
    },
  });
}
