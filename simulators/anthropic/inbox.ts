/** Receives the events of clients: checks all events of a request first, then applies them one after another. */
import { ApiError, badRequest } from './errors.ts';
import type { EventLog } from './event-log.ts';
import type { EventParams } from './event-params.ts';
import { contentText } from './results.ts';
import {
  interruptible,
  openCalls,
  openCallsOfSession,
  placeOf,
  threadIdOf,
  threadOfCall,
  threadsOf,
} from './session-threads.ts';
import type { CallRecord, SessionEvent, SessionRecord, State } from './state.ts';
import type { Turns } from './turns.ts';

/** NUL and lone surrogates. */
const UNCLEAN = /\0|\p{Surrogate}/u;

export class Inbox {
  readonly #state: State;
  readonly #events: EventLog;
  readonly #turns: Turns;

  constructor(state: State, events: EventLog, turns: Turns) {
    this.#state = state;
    this.#events = events;
    this.#turns = turns;
  }

  /** Returns the received events for the response. If one is refused, throws before any is applied. */
  receive(session: SessionRecord, events: EventParams[]): SessionEvent[] {
    this.#check(session, events);
    return events.map((event) => this.#take(session, event));
  }

  #check(session: SessionRecord, events: EventParams[]): void {
    if (session.archived_at !== null || session.status === 'terminated') {
      const status = Number(this.#state.switches.get('archived-result'));
      const what = session.archived_at !== null ? 'archived' : 'terminated';
      throw new ApiError(status, `Session ${session.id} is ${what} and accepts no events.`);
    }
    let open = openCallsOfSession(session).map((call) => ({ ...call }));
    const { budgetCents, cents } = session.spending;
    const atCap = budgetCents !== null && cents >= budgetCents;
    let waits =
      session.status === 'idle' && this.#state.switches.get('message-in-requires-action') === 'refuse';
    for (const event of events) {
      this.#checkText(event);
      const ids = open.map((call) => call.id).join(', ');
      if (event.type === 'user.interrupt') {
        const { session_thread_id: id } = event;
        if (id && !threadsOf(session).some((thread) => threadIdOf(thread) === id))
          throw badRequest(`Session ${session.id} has no thread ${id}.`);
        const closed = interruptible(session, id, this.#state)
          .flatMap(openCalls)
          .map((call) => call.id);
        open = open.filter((call) => !closed.includes(call.id));
        waits = waits && open.length > 0;
      } else if (!allowedAtCap(event) && atCap) {
        throw badRequest(
          `Invalid ${event.type} event: the session has reached its budget; only user.tool_confirmation, ` +
            'user.custom_tool_result, user.tool_result, or user.interrupt may be sent',
        );
      } else if (event.type === 'user.message' && waits && open.length > 0) {
        throw badRequest(
          `Invalid user.message event: waiting on responses to events [${ids}]; only user.tool_confirmation, ` +
            'user.custom_tool_result, user.tool_result, or user.interrupt may be sent',
        );
      } else if (targetOf(event) !== undefined) {
        const call = open.find((entry) => entry.id === targetOf(event));
        if (!call || !accepts(call, event)) {
          throw badRequest(
            `Invalid ${event.type} event for ${targetOf(event)}: waiting on responses to events [${ids}]`,
          );
        }
        if (event.type !== 'user.tool_confirmation' || call.serverSide || event.result === 'deny') {
          open = open.filter((entry) => entry !== call);
        } else call.state = 'open';
      }
    }
  }

  /** Throws 400 for a result's text with NUL or lone surrogates, which the service may refuse. */
  #checkText(event: EventParams): void {
    if (!isResult(event) || this.#state.switches.get('result-text') === 'any') return;
    if (UNCLEAN.test(contentText(event.content)))
      throw badRequest(`Invalid ${event.type} event: content holds characters that cannot be stored`);
  }

  #take(session: SessionRecord, event: EventParams): SessionEvent {
    const atOnce = isResult(event);
    const thread = threadOfCall(session, targetOf(event) ?? '');
    const call = openCallsOfSession(session).find((entry) => entry.id === targetOf(event));
    // The service adds the id of the thread to which it has routed an answer.
    const routed = thread?.child ? { ...event, session_thread_id: thread.child.id } : event;
    const place = thread ? placeOf(thread, true) : {};
    const received = this.#events.receive(session.id, routed, atOnce, place);
    const echo = structuredClone(received);
    switch (event.type) {
      case 'user.message':
        this.#turns.message(session, received.id, contentText(event.content));
        return echo;
      case 'user.interrupt':
        this.#events.process(received.id);
        this.#turns.interrupt(session, event.session_thread_id);
        return echo;
      case 'user.tool_confirmation':
        this.#events.process(received.id);
        if (call)
          this.#turns.confirmed(session, call, event.result === 'allow', event.deny_message ?? undefined);
        return echo;
      case 'system.message':
        this.#events.process(received.id);
        return echo;
      default:
        if (call) this.#turns.answered(session, call, received.id);
        return echo;
    }
  }
}

function isResult(event: EventParams) {
  return event.type === 'user.tool_result' || event.type === 'user.custom_tool_result';
}

/** At the cap of its budget a session still accepts answers to open calls, and an interrupt. */
function allowedAtCap(event: EventParams): boolean {
  return targetOf(event) !== undefined || event.type === 'user.interrupt';
}

/** Id of the call that an event answers or confirms. */
function targetOf(event: EventParams): string | undefined {
  if (event.type === 'user.custom_tool_result') return event.custom_tool_use_id;
  if (event.type === 'user.tool_result' || event.type === 'user.tool_confirmation') return event.tool_use_id;
  return undefined;
}

function accepts(call: CallRecord, event: EventParams): boolean {
  if (event.type === 'user.tool_confirmation') return call.state === 'awaiting-approval';
  if (call.state !== 'open' || call.serverSide) return false;
  return (call.kind === 'agent.custom_tool_use') === (event.type === 'user.custom_tool_result');
}
