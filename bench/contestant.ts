// What the benchmark compares: a program that answers the tool calls of sessions, and how its turns are timed.
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';

/** Milliseconds. */
export interface TurnTimes {
  /** From the session's `running` to the first result. */
  first: number;
  /** From the session's `running` to the last result. */
  whole: number;
  /** Of each call, from its request by the model to its result. */
  calls: number[];
}

export interface Contestant {
  name: string;
  /** Opens a session and returns its id. */
  open(): Promise<string>;
  /** Takes a turn in which the model makes so many calls of `true`, one after another. */
  turn(session: string, calls: number): Promise<TurnTimes>;
  /** Sets how long the model thinks before each step. */
  modelTakes(ms: number): Promise<void>;
  /** Resolves when all its sandboxes are paused. Missing if it has no sandboxes. */
  paused?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Times of a turn by the service's own clock.
 * @throws if a call has no result
 */
export function turnTimes(events: BetaManagedAgentsSessionEvent[]): TurnTimes {
  const at = ({ processed_at: time }: BetaManagedAgentsSessionEvent) => Date.parse(String(time));
  const running = events.find(({ type }) => type === 'session.status_running');
  const results = new Map(
    events.flatMap((event) => (event.type === 'user.tool_result' ? [[event.tool_use_id, at(event)]] : [])),
  );
  const calls = events.flatMap((event) => {
    if (event.type !== 'agent.tool_use') return [];
    const result = results.get(event.id);
    if (result === undefined) throw new Error(`call ${event.id} has no result`);
    return [{ asked: at(event), result }];
  });
  const [first, last] = [calls[0], calls.at(-1)];
  if (!running || !first || !last) throw new Error('the turn has no start or no call');
  return {
    first: first.result - at(running),
    whole: last.result - at(running),
    calls: calls.map(({ asked, result }) => result - asked),
  };
}
