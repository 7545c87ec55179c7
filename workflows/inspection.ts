// What an inspection of a session finds out.
import type { OpenCall, ToolCallsClosed } from './messages.ts';

export interface SessionInspection {
  /** Whether it belongs to our environment. */
  ours: boolean;
  /** Its agent, where it could be read. */
  agentId?: string;
  /** Whether a turn is under way. */
  live: boolean;
  /** Set where no turn can follow any more. */
  ended: 'terminated' | 'archived' | 'deleted' | null;
  /** Tool calls without an answer that no work item covers; empty unless asked for. */
  orphanedCalls: OpenCall[];
  /** Of the known calls, those for which the service no longer waits; asked for together with the orphanedCalls. */
  closed?: ToolCallsClosed[];
  /** Set where the turn waits for people or another client; asked for in the same way. */
  waiting?: boolean;
}
