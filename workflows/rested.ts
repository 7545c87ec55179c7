// What became of the work item, the session and the sandbox after a turn, as people read it in the Temporal UI.
import type { SessionInspection } from './inspection.ts';

/** A part that failed for good: no retry can help. `failed` says why, in words. */
export interface Failed {
  failed: string;
}

export interface Rested {
  /** Absent where no work item was held. */
  work?: 'stopped' | Failed;
  inspection: SessionInspection | Failed;
  /** `left running`: a turn is under way. Absent where no sandbox was to be paused. */
  sandbox?: 'paused' | 'lost' | 'left running' | Failed;
}

export function isFailed(part: unknown): part is Failed {
  return typeof part === 'object' && part !== null && 'failed' in part;
}
