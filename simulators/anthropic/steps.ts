/** The steps of the model, scripted or real: each with the events that the service writes for it. */
import { existsSync } from 'node:fs';
import type { EventLog } from './event-log.ts';
import { newId } from './ids.ts';
import { announce } from './permissions.ts';
import { ModelError, type ModelUsage, type RealModel } from './real-model.ts';
import { contentText, resultText } from './results.ts';
import type { Call, Step, ThreadScript } from './script.ts';
import type { CallRecord, SessionRecord, State, ThreadRecord, TurnRecord } from './state.ts';
import type { Statuses } from './statuses.ts';
import { placeOf, type Strand, strandId, turnOf } from './strands.ts';
import type { Turns } from './turns.ts';

interface Parts {
  state: State;
  events: EventLog;
  statuses: Statuses;
  model: RealModel | undefined;
  turns: Turns;
}

const NO_USAGE: ModelUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
};
const MAX_ATTEMPTS = 3;

export class Steps {
  readonly #parts: Parts;
  /** Requests to a real model, by the thread's id. */
  readonly #asking = new Map<string, AbortController>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes the next step of a thread whose model may go on. */
  take(strand: Strand): void {
    const { turns, statuses } = this.#parts;
    const { session, child } = strand;
    const turn = turnOf(strand);
    if (turn?.phase !== 'model') return;
    const { budgetCents, cents } = session.spending;
    if (budgetCents !== null && cents >= budgetCents) {
      turn.phase = 'budget';
      statuses.idle(session, { type: 'budget_reached' });
      return;
    }
    const [step] = turn.steps;
    if (step && 'wait_for_file' in step && !existsSync(step.wait_for_file)) {
      turns.look(strand);
      return;
    }
    if (session.status === 'rescheduling') statuses.running(session);
    if (child) statuses.threadRunning(session, child);
    turn.steps.shift();
    if (step && 'ask' in step) void this.#ask(strand, turn, step.attempt);
    else if (step && 'error' in step) this.#scriptedError(strand, turn, step);
    else if (step && 'threads' in step) this.#spawn(session, turn, step.threads);
    else if (step && 'refuse' in step) {
      this.#request(strand, () => undefined);
      this.#refused(strand, step.refuse, step.explanation);
    } else if (step && 'calls' in step) this.#call(strand, turn, step.calls);
    else {
      if (step && 'spend_cents' in step) session.spending.cents += step.spend_cents;
      else if (step && 'think' in step) this.#append(strand, 'agent.thinking');
      else if (!step || 'say' in step || 'answer' in step) {
        const said = step && 'say' in step ? step.say : resultText(turn.calls, this.#parts.events);
        this.#request(strand, () => this.#say(strand, said));
      }
      turns.goOn(strand);
    }
    this.#parts.state.sessions.put(session.id, session);
  }

  /** Gives up what is asked of a real model. */
  abort(strand: Strand): void {
    this.#asking.get(strandId(strand))?.abort();
    this.#asking.delete(strandId(strand));
  }

  /** Gives up all of it, when the simulator closes: the turns stay as they are. */
  abortAll(): void {
    for (const asking of this.#asking.values()) asking.abort();
    this.#asking.clear();
  }

  /** Brings the last words of a child thread to the primary one. */
  report(session: SessionRecord, child: ThreadRecord): void {
    const { events } = this.#parts;
    const last = events.list(session.id, child.id).findLast(({ event }) => event.type === 'agent.message');
    if (!last) return;
    const { content } = last.event;
    const place = { thread: child.id };
    events.append(
      session.id,
      'agent.thread_message_sent',
      { content, to_session_thread_id: session.threadId },
      place,
    );
    events.append(session.id, 'agent.thread_message_received', {
      content,
      from_session_thread_id: child.id,
      from_agent_name: child.name,
    });
  }

  #append(strand: Strand, type: string, fields: Record<string, unknown> = {}, crossPosted = false) {
    return this.#parts.events.append(strand.session.id, type, fields, placeOf(strand, crossPosted));
  }

  /** The span of one request to the model around what it gives. */
  #request<T>(strand: Strand, given: () => T, isError = false): T {
    const start = this.#append(strand, 'span.model_request_start');
    const result = given();
    this.#requestEnd(strand, start.id, isError, NO_USAGE);
    return result;
  }

  #requestEnd(strand: Strand, startId: string, isError: boolean, usage: ModelUsage): void {
    const fields = { model_request_start_id: startId, is_error: isError, model_usage: usage };
    this.#append(strand, 'span.model_request_end', fields);
    strand.session.spending.inputTokens += usage.input_tokens;
    strand.session.spending.outputTokens += usage.output_tokens;
  }

  #say(strand: Strand, text: string): void {
    this.#append(strand, 'agent.message', { content: [{ type: 'text', text }] });
  }

  #call(strand: Strand, turn: TurnRecord, calls: Call[]): void {
    this.#request(strand, () => this.#announceCalls(strand, turn, calls));
    this.#parts.turns.runRound(strand);
  }

  #announceCalls(strand: Strand, turn: TurnRecord, calls: Call[]): void {
    turn.phase = 'calls';
    turn.calls = calls.map((call) => this.#announce(strand, call));
  }

  #announce(strand: Strand, call: Call): CallRecord {
    const { kind, serverSide, permission, fields } = announce(call, strand.session.agent);
    const thread = strand.child ? { session_thread_id: strand.child.id } : {};
    const event = this.#append(strand, kind, { ...fields, ...thread }, true);
    const record: CallRecord = { id: event.id, kind, serverSide, state: 'open', resultId: null };
    if (call.result !== undefined) record.scripted = { text: call.result, isError: call.is_error ?? false };
    if (permission === 'ask') record.state = 'held';
    else if (permission === 'deny') {
      this.#parts.turns.answerAsServer(strand, record, 'This tool call was denied.');
    }
    return record;
  }

  #refused(strand: Strand, category: string | null, explanation: string | null): void {
    const details = { type: 'refusal', category, explanation };
    this.#parts.turns.end(strand, { type: 'refusal' }, details);
  }

  #scriptedError(strand: Strand, turn: TurnRecord, step: Extract<Step, { error: string }>): void {
    const error = { type: step.error, message: 'This error is in the script.' };
    this.#request(strand, () => undefined, true);
    if (step.retries > 0) {
      turn.steps.unshift({ ...step, retries: step.retries - 1 });
      this.#retry(strand, error);
    } else if (step.end === 'recover') this.#parts.turns.goOn(strand);
    else if (step.end === 'terminal') this.#parts.turns.terminate(strand.session, error);
    else this.#exhausted(strand, error);
  }

  #retry(strand: Strand, error: { type: string; message: string }): void {
    const { statuses, turns } = this.#parts;
    this.#append(strand, 'session.error', { error: { ...error, retry_status: { type: 'retrying' } } });
    if (strand.child) statuses.threadRescheduled(strand.session, strand.child);
    else statuses.rescheduled(strand.session);
    turns.schedule(strand);
  }

  #exhausted(strand: Strand, error: { type: string; message: string }): void {
    this.#append(strand, 'session.error', { error: { ...error, retry_status: { type: 'exhausted' } } });
    this.#parts.turns.end(strand, { type: 'retries_exhausted' });
  }

  #spawn(session: SessionRecord, turn: TurnRecord, scripts: ThreadScript[]): void {
    const { state, events, statuses, turns } = this.#parts;
    turn.phase = 'threads';
    for (const { name, message, steps, terminate } of scripts) {
      const now = state.clock.iso();
      const child: ThreadRecord = {
        id: newId('sthr'),
        name,
        status: 'idle',
        terminates: terminate,
        turn: { steps, phase: 'model', calls: [] },
        created_at: now,
        updated_at: now,
        archived_at: null,
      };
      session.children.push(child);
      statuses.threadCreated(session, child);
      const content = [{ type: 'text', text: message }];
      const sent = { content, to_session_thread_id: child.id, to_agent_name: name };
      events.append(session.id, 'agent.thread_message_sent', sent);
      const received = { content, from_session_thread_id: session.threadId };
      events.append(session.id, 'agent.thread_message_received', received, { thread: child.id });
      statuses.threadRunning(session, child);
      turns.schedule({ session, child });
    }
  }

  /** One request to the real model, and what it decides. */
  async #ask(strand: Strand, turn: TurnRecord, attempt: number): Promise<void> {
    const { model, events, state } = this.#parts;
    const { session } = strand;
    const asking = new AbortController();
    this.#asking.set(strandId(strand), asking);
    // Until it has answered it has not been asked: a restart asks again.
    turn.steps.unshift({ ask: true, attempt });
    const start = this.#append(strand, 'span.model_request_start');
    const history = events.list(session.id, strand.child?.id).map(({ event }) => event);
    try {
      if (!model) throw new ModelError('model_request_failed_error', 'There is no real model.', false);
      const answer = await model.answer(session.agent, history, asking.signal);
      if (asking.signal.aborted) return;
      turn.steps.shift();
      if (contentText(answer.text) !== '') this.#append(strand, 'agent.message', { content: answer.text });
      if (answer.calls.length > 0) {
        turn.steps.unshift({ ask: true, attempt: 1 });
        this.#announceCalls(strand, turn, answer.calls);
      }
      this.#requestEnd(strand, start.id, false, answer.usage);
      if (answer.calls.length > 0) this.#parts.turns.runRound(strand);
      else if (answer.refused) this.#refused(strand, null, null);
      else this.#parts.turns.goOn(strand);
    } catch (error) {
      if (asking.signal.aborted) return;
      if (!(error instanceof ModelError)) throw error;
      turn.steps.shift();
      this.#requestEnd(strand, start.id, true, NO_USAGE);
      const told = { type: error.type, message: error.message };
      if (error.transient && attempt < MAX_ATTEMPTS) {
        turn.steps.unshift({ ask: true, attempt: attempt + 1 });
        this.#retry(strand, told);
      } else this.#exhausted(strand, told);
    } finally {
      if (this.#asking.get(strandId(strand)) === asking) this.#asking.delete(strandId(strand));
      if (!asking.signal.aborted) {
        state.sessions.put(session.id, session);
        await state.store.save();
      }
    }
  }
}
