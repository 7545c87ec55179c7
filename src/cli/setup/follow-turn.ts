// Follows a turn of a session to its end by reading the newest events again and again: unlike a stream, a read that
// fails is simply repeated, and no event is missed.
import { setTimeout as sleep } from 'node:timers/promises';
import type Anthropic from '@anthropic-ai/sdk';
import { askAnthropic, nonsense } from './clients.ts';
import { type SessionEvent, textOf } from './turn-events.ts';

const POLL_MS = 700;
const PAGE = 50;
/** No session has so many events; a service that always names another page would be read without end. */
const MOST_PAGES = 2_000;
/** Reads in a row that list no event at all. A session has at least its first message, which is listed each time. */
const MOST_EMPTY_READS = 20;

export interface TurnEnd {
  /**
   * `answered`: the turn is over; `approval`: calls wait for a person; `ended`: the session is over; `stopped`: the
   * turn ended without an answer, for example at a budget.
   */
  how: 'answered' | 'approval' | 'ended' | 'stopped';
  /** The service's stop reason, or what ended the session. */
  reason: string;
  /** Text of the agent's last message in this turn; empty if there was none. */
  answer: string;
  /** Tool calls of this turn. */
  calls: number;
  /** Ids of the events that wait for approval. */
  approvals: string[];
}

export interface Following {
  client: Anthropic;
  /** Variable that holds the client's credential, for messages. */
  variable: string;
  sessionId: string;
  /** Position after which the turn's events stand: from `eventsSoFar`; empty for a new session. */
  known: Set<string>;
  /** Id of the message that began the turn: an end before it was processed belongs to an earlier turn. */
  messageId?: string;
  onEvent(event: SessionEvent): void;
  /** Goes on following while a call waits for approval; `onWaiting` is told once for each new set of calls. */
  waitForApprovals: boolean;
  onWaiting(ids: string[]): void;
  signal: AbortSignal;
}

/** The events that a session has now, for `Following.known`. */
export async function eventsSoFar(
  from: Pick<Following, 'client' | 'variable' | 'sessionId'>,
): Promise<Set<string>> {
  const known = new Set<string>();
  await newEvents({ ...from, known });
  return known;
}

/** @throws CommandError if the session cannot be read, or answers are not the service's; the reason of `signal` if it is aborted */
export async function followTurn(following: Following): Promise<TurnEnd> {
  const turn: TurnEnd = { how: 'answered', reason: '', answer: '', calls: 0, approvals: [] };
  const asked = new Map<string, boolean>();
  let begun = following.messageId === undefined;
  let announced = '';
  let emptyReads = 0;
  for (;;) {
    let idle: Extract<SessionEvent, { type: 'session.status_idle' }> | undefined;
    const { events, isEmpty } = await newEvents(following);
    emptyReads = isEmpty ? emptyReads + 1 : 0;
    if (emptyReads >= MOST_EMPTY_READS)
      throw nonsense(`it lists no events of session ${following.sessionId}, which has some`);
    for (const event of events) {
      if (event.type === 'user.message' && event.id === following.messageId && event.processed_at)
        begun = true;
      if (!begun && !event.type.startsWith('session.status_terminated')) continue;
      following.onEvent(event);
      if (event.type === 'agent.message') turn.answer = textOf(event.content);
      if (event.type === 'agent.tool_use' || event.type === 'agent.mcp_tool_use') {
        turn.calls += 1;
        if (event.evaluated_permission === 'ask') asked.set(event.id, true);
      }
      if (event.type === 'user.tool_confirmation') asked.delete(event.tool_use_id);
      if (event.type === 'session.status_idle') idle = event;
      if (event.type === 'session.status_running') idle = undefined;
      if (event.type === 'session.status_terminated' || event.type === 'session.deleted')
        return { ...turn, how: 'ended', reason: event.type.replace(/^session\.(status_)?/, '') };
    }
    if (idle) {
      const { stop_reason } = idle;
      if (stop_reason?.type === 'requires_action') {
        turn.approvals = [...asked.keys()].filter((id) => stop_reason.event_ids?.includes(id));
        const key = turn.approvals.join();
        if (key && key !== announced) following.onWaiting(turn.approvals);
        announced = key;
        if (key && !following.waitForApprovals) return { ...turn, how: 'approval', reason: stop_reason.type };
      } else {
        const reason = String(stop_reason?.type);
        return { ...turn, how: reason === 'end_turn' ? 'answered' : 'stopped', reason, approvals: [] };
      }
    }
    await sleep(POLL_MS, undefined, { signal: following.signal });
  }
}

/**
 * Reads pages of events, newest first, until one holds an event that was read before.
 * @returns the new events, oldest first, and whether the service listed none, not even a known one
 */
async function newEvents({
  client,
  variable,
  sessionId,
  known,
}: Pick<Following, 'client' | 'variable' | 'sessionId' | 'known'>): Promise<{
  events: SessionEvent[];
  isEmpty: boolean;
}> {
  const found = new Map<string, SessionEvent>();
  let reached = false;
  let page = await askAnthropic(variable, `session ${sessionId}`, () =>
    client.beta.sessions.events.list(sessionId, { limit: PAGE, order: 'desc' }),
  );
  const isEmpty = page.data.length === 0;
  for (let pages = 1; ; pages += 1) {
    const foundBefore = found.size;
    if (!Array.isArray(page.data) || !page.data.every(isEvent))
      throw nonsense(`what it lists as events of session ${sessionId} are none`);
    for (const event of page.data) {
      const key = keyOf(event);
      if (known.has(key)) reached = true;
      else if (!found.has(key)) found.set(key, event);
    }
    if (reached || !page.hasNextPage()) break;
    if (found.size === foundBefore || pages >= MOST_PAGES)
      throw nonsense(`its list of the events of session ${sessionId} has no end`);
    const current = page;
    page = await askAnthropic(variable, `session ${sessionId}`, () => current.getNextPage());
  }
  for (const key of found.keys()) known.add(key);
  return { events: [...found.values()].reverse(), isEmpty };
}

function isEvent(event: Partial<SessionEvent> | null): boolean {
  return typeof event?.id === 'string' && typeof event.type === 'string';
}

/** A message is listed a second time when the service has processed it. */
function keyOf(event: SessionEvent): string {
  const processed = 'processed_at' in event && event.processed_at;
  return `${event.id}${processed ? '' : ' unprocessed'}`;
}
