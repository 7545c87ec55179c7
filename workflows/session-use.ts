// What a session has used, as its memo: `usage` reads it in Temporal's lists, which need no worker, also after the end.

/** Name of the memo. */
export const USE_MEMO = 'use';

/** Since the workflow of the session started, over all its runs; as of the end of the last turn. */
export interface SessionUse {
  /** RFC 3339 */
  startedAt: string;
  turns: number;
  calls: number;
  /** In the outputs folder; absent while nothing is known of it. */
  outputsBytes?: number;
  /** False where there are more outputs than were counted. */
  outputsComplete?: boolean;
}
