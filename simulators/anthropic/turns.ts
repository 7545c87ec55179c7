/**
 * The agent loop of the sessions: takes user messages, lets the scripted model make its steps, announces tool
 * calls, and goes on when they are answered. A turn is state; after a restart `resume` takes up every open one.
 */
import type { ClockTimer } from '../common/clock.ts';
import type { EventLog } from './event-log.ts';
import { type Call, type Step, scriptFor } from './model.ts';
import { announce } from './permissions.ts';
import { resultText, serverResult } from './results.ts';
import type { CallRecord, SessionRecord, State, TurnRecord } from './state.ts';
import type { Statuses } from './statuses.ts';
import type { WorkQueue } from './work-queue.ts';

export class Turns {
  readonly #state: State;
  readonly #events: EventLog;
  readonly #queue: WorkQueue;
  readonly #statuses: Statuses;
  readonly #timers = new Map<string, ClockTimer>();

  constructor(state: State, events: EventLog, queue: WorkQueue, statuses: Statuses) {
    this.#state = state;
    this.#events = events;
    this.#queue = queue;
    this.#statuses = statuses;
    queue.onStopped = (id) => {
      const session = state.sessions.get(id);
      const rearms = state.switches.get('stop-with-open-calls') === 'requeue';
      if (session && rearms && unanswered(session).length > 0) queue.ensure(session.environment_id, id);
    };
  }

  /** Lets the model go on where an earlier process left it. */
  resume(): void {
    for (const session of this.#state.sessions.values()) {
      if (session.turn?.phase === 'model') this.#schedule(session);
    }
  }

  /** A user's message that was received: begins a turn, or waits for the end of the present one. */
  message(session: SessionRecord, id: string, text: string): void {
    session.waiting.push({ id, text });
    if (!session.turn) this.#begin(session);
    this.#put(session);
  }

  /** A tool's result that was received for an open call. */
  answered(session: SessionRecord, call: CallRecord, resultId: string): void {
    call.state = 'answered';
    call.resultId = resultId;
    this.#awaitAnswers(session);
  }

  /** A user's verdict on a held call. */
  confirmed(
    session: SessionRecord,
    call: CallRecord,
    allowed: boolean,
    denyMessage: string | undefined,
  ): void {
    call.state = 'open';
    if (!allowed) {
      this.#answerAsServer(
        session,
        call,
        `The user denied this tool call.${denyMessage ? ` ${denyMessage}` : ''}`,
      );
    } else if (call.serverSide) this.#answerAsServer(session, call);
    this.#awaitAnswers(session);
  }

  /** Ends the present turn; results that come later are refused. Messages that wait begin the next one. */
  interrupt(session: SessionRecord): void {
    const { turn } = session;
    if (!turn) return;
    const open = unanswered(session);
    const serverCloses = this.#state.switches.get('interrupt') === 'server-closes';
    if (serverCloses) {
      for (const call of open) this.#answerAsServer(session, call, 'The user interrupted this tool call.');
    }
    this.drop(session);
    this.#statuses.idle(session, { type: 'end_turn' });
    const item = this.#queue.openItem(session.id);
    if (open.length > 0 && serverCloses && item) this.#queue.stop(item, true);
    if (open.length > 0 && !serverCloses) this.#queue.ensure(session.environment_id, session.id);
    if (session.waiting.length > 0) this.#begin(session);
    this.#put(session);
  }

  /** Forgets the present turn. */
  drop(session: SessionRecord): void {
    this.#timers.get(session.id)?.clear();
    this.#timers.delete(session.id);
    session.turn = null;
    this.#put(session);
  }

  #begin(session: SessionRecord): void {
    session.turn = { steps: [], phase: 'model', calls: [], announced: '' };
    this.#statuses.running(session);
    this.#takeMessages(session, session.turn);
    if (this.#state.switches.get('work-item-at') !== 'tool') {
      this.#queue.ensure(session.environment_id, session.id);
    }
    this.#schedule(session);
  }

  #takeMessages(session: SessionRecord, turn: TurnRecord): void {
    for (const { id, text } of session.waiting.splice(0)) {
      this.#events.process(id);
      turn.steps.push(...this.#stepsFor(text));
    }
  }

  #stepsFor(text: string): Step[] {
    const steps = scriptFor(text);
    // The answer of a message follows its own calls, also when the next message waits behind it.
    const last = steps.at(-1);
    if (last && 'calls' in last) steps.push({ answer: true });
    if (this.#state.switches.get('parallel-calls') === 'on') return steps;
    return steps.flatMap((step): Step[] =>
      'calls' in step ? step.calls.map((call) => ({ calls: [call] })) : [step],
    );
  }

  #schedule(session: SessionRecord): void {
    const delay = this.#state.switches.number('model-delay-ms');
    this.#timers.get(session.id)?.clear();
    const timer = this.#state.clock.setTimeout(() => {
      this.#timers.delete(session.id);
      this.#step(session);
      void this.#state.store.save();
    }, delay);
    this.#timers.set(session.id, timer);
  }

  /** One request to the model. */
  #step(session: SessionRecord): void {
    const { turn } = session;
    if (turn?.phase !== 'model') return;
    const step = turn.steps.shift();
    const start = this.#events.append(session.id, 'span.model_request_start');
    if (step && 'calls' in step) {
      turn.phase = 'calls';
      turn.announced = '';
      turn.calls = step.calls.map((call) => this.#announce(session, call));
    } else {
      const said = step && 'say' in step ? step.say : resultText(turn.calls, this.#events);
      this.#events.append(session.id, 'agent.message', { content: [{ type: 'text', text: said }] });
    }
    this.#events.append(session.id, 'span.model_request_end', {
      model_request_start_id: start.id,
      is_error: false,
      model_usage: {
        input_tokens: 0,
        output_tokens: 0,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
      },
    });
    if (turn.phase === 'calls') this.#runRound(session, turn);
    else if (turn.steps.length > 0) this.#schedule(session);
    else this.#end(session, turn);
    this.#put(session);
  }

  #announce(session: SessionRecord, call: Call): CallRecord {
    const { kind, serverSide, permission, fields } = announce(call, session.agent);
    const event = this.#events.append(session.id, kind, fields);
    const record: CallRecord = { id: event.id, kind, serverSide, state: 'open', resultId: null };
    if (permission === 'ask') record.state = 'held';
    else if (permission === 'deny') this.#answerAsServer(session, record, 'This tool call was denied.');
    return record;
  }

  #runRound(session: SessionRecord, turn: TurnRecord): void {
    for (const call of turn.calls) {
      if (call.serverSide && call.state === 'open') this.#answerAsServer(session, call);
    }
    const { switches } = this.#state;
    const arms =
      switches.get('work-item-at') === 'tool' || switches.get('stop-with-open-calls') === 'requeue';
    if (arms && unanswered(session).length > 0) this.#queue.ensure(session.environment_id, session.id);
    this.#awaitAnswers(session);
  }

  /** Says what is waited for, or lets the model go on when that is nothing. */
  #awaitAnswers(session: SessionRecord): void {
    const { turn } = session;
    if (!turn) return;
    const open = unanswered(session);
    if (open.length === 0) {
      turn.phase = 'model';
      this.#statuses.running(session);
      this.#schedule(session);
    } else {
      const all = this.#state.switches.get('tool-rounds') === 'idle';
      const wanted = all
        ? open
        : open.filter((call) => call.state === 'held' || call.kind !== 'agent.tool_use');
      const announced = wanted.map((call) => `${call.id} ${call.state}`).join();
      const ids = wanted.map((call) => call.id);
      if (ids.length === 0) this.#statuses.running(session);
      else if (announced !== turn.announced) {
        this.#statuses.idle(session, { type: 'requires_action', event_ids: ids });
      }
      turn.announced = announced;
    }
    this.#put(session);
  }

  #end(session: SessionRecord, turn: TurnRecord): void {
    if (session.waiting.length > 0) {
      this.#takeMessages(session, turn);
      this.#schedule(session);
      return;
    }
    session.turn = null;
    this.#statuses.idle(session, { type: 'end_turn' });
  }

  /** Closes a call with a result of the service's own; without a text, the one that its tool gives here. */
  #answerAsServer(session: SessionRecord, call: CallRecord, text?: string): void {
    const { type, fields } = serverResult(call, this.#events.get(call.id), text);
    call.state = 'answered';
    call.resultId = this.#events.append(session.id, type, fields).id;
  }

  #put(session: SessionRecord): void {
    this.#state.sessions.put(session.id, session);
  }
}

/** The calls of the present round that have no result. */
export function unanswered(session: SessionRecord): CallRecord[] {
  if (session.turn?.phase !== 'calls') return [];
  return session.turn.calls.filter((call) => call.state !== 'answered');
}
