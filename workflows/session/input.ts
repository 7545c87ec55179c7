// What a run of a session's workflow is started with, read with care: it may come from another build, or a stranger.
import type { SessionStart } from '../messages.ts';
import { openSession, type SessionState } from './state.ts';

/**
 * The state that a run begins with: new, or carried over from the run before, perhaps by an older or newer build, so
 * that fields may be missing or unknown. Null if it is neither.
 */
export function takeOver(input: SessionStart | SessionState, now: number): SessionState | null {
  const start = input && typeof input === 'object' && 'version' in input ? input.start : input;
  const whole = typeof start?.sessionId === 'string' && typeof start.environmentId === 'string';
  if (!whole || !start.settings || typeof start.settings !== 'object') return null;
  const fresh = openSession(start, now);
  return 'version' in input ? { ...fresh, ...input, version: 1 } : fresh;
}
