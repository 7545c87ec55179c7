// A session according to its events: which tool calls are open for us, and whether a turn is under way.
// Pure. `apply` takes events in any order and any number of times; `report` says what is new since the last report.
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { excerpt } from '../../src/clients/excerpt.ts';
import type { KnownCall, Turn } from '../../workflows/contract.ts';
import type { OpenCall, SessionChange, ToolCallsClosed } from '../../workflows/messages.ts';
import { isKnown } from './event-types.ts';

/** The tools of the agent toolset that run in a sandbox. Others of the same event type run at the service. */
const SANDBOX_TOOLS = new Set(['bash', 'read', 'write', 'edit', 'glob', 'grep']);
const PREVIEW_CHARS = 160;
/** At most this many types of skipped events are counted apart, by this much of their names. */
const SKIPPED_TYPES = 10;
const SKIPPED_TYPE_CHARS = 60;

/** Of a session, each of which replaces the one before. */
const STATUSES = new Set([
  'session.status_running',
  'session.status_idle',
  'session.status_terminated',
  'session.deleted',
]);

export interface Report {
  opened: OpenCall[];
  closed: ToolCallsClosed[];
  change: SessionChange | null;
}

interface OpenInput extends OpenCall {
  input: unknown;
}

export class SessionView {
  readonly #seen = new Set<string>();
  #newest: string | null = null;
  readonly #open = new Map<string, OpenInput>();
  readonly #answered = new Set<string>();
  readonly #closed = new Map<string, { eventId: string; why: ToolCallsClosed['why']; call?: OpenInput }>();
  /** Interrupts that have taken effect. */
  readonly #appliedInterrupts = new Set<string>();
  /** Calls that an interrupt has closed, but for which the session still waits. */
  readonly #stillAwaited = new Map<string, OpenInput>();
  readonly #verdicts = new Map<string, string>();
  readonly #endedThreads = new Set<string>();
  /** Threads of subagents; what names no thread, or another one, is the primary's. */
  readonly #childThreads = new Set<string>();
  readonly #runThreads = new Set<string>();
  #statusTime = 0;
  #change: SessionChange | null = null;
  /** What the session waits for since its last idle event; null while it does not. */
  #awaited: { eventId: string; ids: string[] } | null = null;
  /** By call id: whether it was last reported as awaiting approval. */
  readonly #reported = new Map<string, boolean>();
  readonly #reportedClosed = new Set<string>();
  #reportedTurn: Turn | string | null;
  readonly #skipped: Record<string, number> = {};

  /**
   * @param known calls that the workflow knows
   * @param turn state of the turn as the workflow knows it; null if that is not certain: then it is reported again
   */
  constructor(known: readonly KnownCall[], turn: Turn | null) {
    for (const { id, awaitingApproval } of known) this.#reported.set(id, awaitingApproval);
    this.#reportedTurn = turn;
  }

  /** The input of an open call, if its event was seen. */
  inputOf(callId: string): { input: unknown } | undefined {
    return this.#open.get(callId);
  }

  isAnswered(callId: string): boolean {
    return this.#answered.has(callId);
  }

  /** As it was last reported; null if it is not certain. */
  get turn(): Turn | string | null {
    return this.#reportedTurn;
  }

  /** How many events of each type were passed over, being unknown or malformed; null if none was. */
  get skippedEvents(): Record<string, number> | null {
    return Object.keys(this.#skipped).length > 0 ? { ...this.#skipped } : null;
  }

  /** Id of the last event that was applied; null before the first one. */
  get newest(): string | null {
    return this.#newest;
  }

  apply(event: BetaManagedAgentsSessionEvent): void {
    if (this.hasSeen(event)) return;
    this.#seen.add(keyOf(event));
    this.#newest = event.id;
    try {
      if (isKnown(event.type)) this.#take(event);
      else this.#skip(event.type);
    } catch (error) {
      // A field is missing that is always there: no watch may fail of it for ever.
      if (!(error instanceof TypeError)) throw error;
      this.#skip(event.type);
    }
  }

  /** A user's event appears when it is sent and again when it is processed. */
  hasSeen(event: BetaManagedAgentsSessionEvent): boolean {
    return this.#seen.has(event.id) || this.#seen.has(keyOf(event));
  }

  #skip(type: unknown): void {
    const name = String(type).slice(0, SKIPPED_TYPE_CHARS);
    const counted = Object.hasOwn(this.#skipped, name) || Object.keys(this.#skipped).length < SKIPPED_TYPES;
    const key = counted ? name : 'others';
    this.#skipped[key] = (this.#skipped[key] ?? 0) + 1;
  }

  #take(event: BetaManagedAgentsSessionEvent): void {
    if (STATUSES.has(event.type) && this.#isOutdated(event)) return;
    switch (event.type) {
      case 'agent.tool_use':
        this.#toolUse(event);
        return;
      case 'user.tool_result':
      case 'agent.tool_result':
        this.#answered.add(event.tool_use_id);
        this.#close([event.tool_use_id], event.id, 'answered elsewhere');
        return;
      case 'user.custom_tool_result':
        this.#answered.add(event.custom_tool_use_id);
        return;
      case 'session.thread_created':
        this.#childThreads.add(event.session_thread_id);
        if (event.workflow_run_id) this.#runThreads.add(event.session_thread_id);
        return;
      case 'user.tool_confirmation': {
        this.#verdicts.set(event.tool_use_id, event.result);
        const call = this.#open.get(event.tool_use_id);
        if (event.result !== 'allow') this.#close([event.tool_use_id], event.id, 'denied');
        else if (call) delete call.awaitingApproval;
        return;
      }
      case 'user.interrupt':
        this.#close(this.#interruptible(event.session_thread_id), event.id, 'interrupted');
        if (event.processed_at) this.#appliedInterrupts.add(event.id);
        return;
      case 'session.thread_status_terminated':
        this.#endedThreads.add(event.session_thread_id);
        this.#close(this.#idsOf(event.session_thread_id), event.id, 'thread terminated');
        return;
      case 'session.status_running':
        this.#awaited = null;
        this.#change = { eventId: event.id, change: 'running' };
        return;
      case 'session.status_idle': {
        const { id: eventId, stop_reason: reason } = event;
        this.#awaited = reason.type === 'requires_action' ? { eventId, ids: reason.event_ids } : null;
        for (const id of this.#awaited?.ids ?? []) this.#reopen(id);
        const settled = this.#isSettled() ? { settled: true as const } : {};
        this.#change = { eventId, change: 'idle', reason: reason.type, ...settled };
        return;
      }
      case 'session.status_terminated':
        this.#change = { eventId: event.id, change: 'terminated' };
        return;
      case 'session.deleted':
        this.#change = { eventId: event.id, change: 'deleted' };
        return;
      default:
        return;
    }
  }

  /** What the workflow does not know yet; asked twice, the second answer is empty. */
  report(): Report {
    const opened = [...this.#open.values()].filter((call) => {
      const reportedWaiting = this.#reported.get(call.id);
      return reportedWaiting === undefined || (reportedWaiting && !call.awaitingApproval);
    });
    const closed = new Map<string, ToolCallsClosed>();
    for (const [id, { eventId, why }] of this.#closed) {
      if (this.#reportedClosed.has(id) || this.#stillAwaited.has(id)) continue;
      this.#reportedClosed.add(id);
      // The activity that runs a call notices its answer itself; of a call that awaits approval only this report tells.
      if (why === 'answered elsewhere' && !this.#reported.get(id)) continue;
      const sameEvent = closed.get(eventId) ?? { eventId, callIds: [], why };
      sameEvent.callIds.push(id);
      closed.set(eventId, sameEvent);
    }
    for (const call of opened) this.#reported.set(call.id, call.awaitingApproval === true);
    // What the session waits for changes with every answer, and not every answer is followed by an idle event.
    if (this.#awaited && this.#change?.change !== 'terminated' && this.#change?.change !== 'deleted')
      this.#change = this.#waiting(this.#awaited);
    const change = this.#change && this.#change.change !== this.#reportedTurn ? this.#change : null;
    if (this.#change) this.#reportedTurn = this.#change.change;
    for (const call of this.#stillAwaited.values()) {
      if (!this.#reportedClosed.has(`${call.id} still awaited`)) opened.push({ ...call, stillAwaited: true });
      this.#reportedClosed.add(`${call.id} still awaited`);
    }
    return { opened: opened.map(({ input, ...call }) => call), closed: [...closed.values()], change };
  }

  #toolUse(event: Extract<BetaManagedAgentsSessionEvent, { type: 'agent.tool_use' }>): void {
    const { id, name, input, session_thread_id: threadId } = event;
    if (threadId) this.#childThreads.add(threadId);
    const closed =
      this.#answered.has(id) || this.#closed.has(id) || (threadId && this.#endedThreads.has(threadId));
    if (!SANDBOX_TOOLS.has(name) || closed) return;
    // A permission that we do not know is treated like `ask`; a denied call is answered by the service.
    const permission = event.evaluated_permission ?? 'allow';
    const verdict = this.#verdicts.get(id);
    if (permission === 'deny' || (verdict !== undefined && verdict !== 'allow')) return;
    const awaitingApproval = permission !== 'allow' && verdict !== 'allow';
    const thread = threadId ? { threadId } : {};
    this.#open.set(id, {
      id,
      name,
      input,
      preview: previewOf(input),
      ...thread,
      ...(awaitingApproval ? { awaitingApproval } : {}),
    });
  }

  /** A session that waits for our results alone is running. */
  #waiting({ eventId, ids }: { eventId: string; ids: string[] }): SessionChange {
    const pending = ids.filter((id) => !this.#answered.has(id));
    const ours = pending.map((id) => this.#open.get(id) ?? this.#stillAwaited.get(id));
    if (pending.length === 0 || ours.some((call) => call && !call.awaitingApproval))
      return { eventId, change: 'running' };
    return { eventId, change: 'waiting', reason: ours.some(Boolean) ? 'an approval' : 'another client' };
  }

  /** Calls and threads of before have no effect on what comes. A child thread may go on after its session is idle. */
  #isSettled(): boolean {
    return !this.#awaited && this.#open.size + this.#stillAwaited.size + this.#childThreads.size === 0;
  }

  /** The open calls of a thread; of all threads if none is named. */
  #idsOf(threadId: string | null | undefined): string[] {
    const thread = threadId && this.#childThreads.has(threadId) ? threadId : undefined;
    const calls = [...this.#open.values()];
    return calls.filter((call) => !threadId || call.threadId === thread).map((call) => call.id);
  }

  /** An interrupt leaves the calls of a workflow run's threads open. */
  #interruptible(threadId: string | null | undefined): string[] {
    const ids = this.#idsOf(threadId);
    return ids.filter((id) => !this.#runThreads.has(this.#open.get(id)?.threadId ?? ''));
  }

  /** The session waits for a call although an interrupt before that was to close it. */
  #reopen(id: string): void {
    const closed = this.#closed.get(id);
    if (!closed?.call || closed.why !== 'interrupted' || this.#answered.has(id)) return;
    if (this.#appliedInterrupts.has(closed.eventId)) this.#stillAwaited.set(id, closed.call);
  }

  /** A status that a later one has overtaken: a listing may bring what the stream had left out. */
  #isOutdated({ processed_at: at }: BetaManagedAgentsSessionEvent): boolean {
    const time = Date.parse(at ?? '');
    if (time < this.#statusTime) return true;
    if (time > this.#statusTime) this.#statusTime = time;
    return false;
  }

  #close(ids: string[], eventId: string, why: ToolCallsClosed['why']): void {
    for (const id of ids) {
      const call = this.#open.get(id);
      this.#open.delete(id);
      this.#stillAwaited.delete(id);
      this.#closed.set(id, { eventId, why, ...(call ? { call } : {}) });
    }
  }
}

function keyOf(event: BetaManagedAgentsSessionEvent): string {
  return event.processed_at ? event.id : `${event.id} unprocessed`;
}

/** One line that tells a person what the call does: the command, or the path. */
function previewOf(input: unknown): string {
  const fields = input && typeof input === 'object' ? (input as Record<string, unknown>) : {};
  const main = String(fields.command ?? fields.file_path ?? fields.pattern ?? JSON.stringify(input) ?? '');
  // Of an input of megabytes, no more than can be shown.
  return excerpt(main.slice(0, 10 * PREVIEW_CHARS).replace(/\s+/g, ' '), PREVIEW_CHARS);
}
