/** What a step of the scripted model can do to the turn that it belongs to. */
import type { SessionThread } from './session-threads.ts';
import type { CallRecord, SessionRecord } from './state.ts';
import type { StopReason } from './statuses.ts';

export interface TurnControl {
  /** Schedules the next step after its own delay (`wait_ms`) or the delay of the model. */
  schedule(thread: SessionThread): void;

  /** Schedules the next step after a short real time, while it waits for a file. */
  recheckSoon(thread: SessionThread): void;

  /** After the announcement of calls: answers those of the service, and waits for the others. */
  startRound(thread: SessionThread): void;

  /** After a step: schedules the next one, or ends the turn. */
  advance(thread: SessionThread): void;

  /** Ends a turn. A child thread sends its last message to the primary thread. */
  end(thread: SessionThread, reason: StopReason, details?: unknown): void;

  /** Answers a call on behalf of the service; without a text, with its tool's own result. */
  answerAsServer(thread: SessionThread, call: CallRecord, text?: string): void;

  /** Terminates a session with an error from which it cannot recover. */
  terminate(session: SessionRecord, error: { type: string; message: string }): void;
}
