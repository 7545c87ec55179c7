/** Carries out the steps of the model, scripted or real, and writes their events. */
import { existsSync } from 'node:fs';
import type { EventLog } from './event-log.ts';
import { newId } from './ids.ts';
import { announcementOf } from './permissions.ts';
import { ModelError, type ModelUsage, type RealModel } from './real-model.ts';
import { contentText, resultText } from './results.ts';
import type { Call, Step } from './script.ts';
import { placeOf, type SessionThread, threadIdOf, turnOf } from './session-threads.ts';
import type { CallRecord, SessionRecord, State, ThreadRecord, TurnRecord } from './state.ts';
import type { Statuses } from './statuses.ts';
import type { TurnControl } from './turn-control.ts';

interface Parts {
  state: State;
  events: EventLog;
  statuses: Statuses;
  model: RealModel | undefined;
  turns: TurnControl;
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
  /** Requests in progress to a real model, by thread id. */
  readonly #modelRequests = new Map<string, AbortController>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes the next step of a thread, if its turn waits for the model. */
  take(thread: SessionThread): void {
    const { turns, statuses } = this.#parts;
    const { session, child } = thread;
    const turn = turnOf(thread);
    if (turn?.phase !== 'model') return;
    const { budgetCents, cents } = session.spending;
    if (budgetCents !== null && cents >= budgetCents) {
      turn.phase = 'budget';
      statuses.idle(session, { type: 'budget_reached' });
      return;
    }
    const [step] = turn.steps;
    if (step && 'wait_for_file' in step && !existsSync(step.wait_for_file)) {
      turns.recheckSoon(thread);
      return;
    }
    if (session.status === 'rescheduling') statuses.running(session);
    if (child) statuses.threadRunning(session, child);
    turn.steps.shift();
    if (step && 'ask' in step) void this.#askRealModel(thread, turn, step.attempt);
    else if (step && 'error' in step) this.#scriptedError(thread, turn, step);
    else if (step && 'threads' in step) this.#spawn(session, turn, step);
    else if (step && 'refuse' in step) {
      this.#request(thread, () => undefined);
      this.#refused(thread, step.refuse, step.explanation);
    } else if (step && 'calls' in step) this.#call(thread, turn, step.calls);
    else {
      if (step && 'spend_cents' in step) session.spending.cents += step.spend_cents;
      else if (step && 'think' in step) this.#append(thread, 'agent.thinking');
      else if (!step || 'say' in step || 'answer' in step) {
        const text = step && 'say' in step ? step.say : resultText(turn.calls, this.#parts.events);
        this.#request(thread, () => this.#appendMessage(thread, text));
      }
      turns.advance(thread);
    }
    this.#parts.state.sessions.put(session.id, session);
  }

  /** Cancels the thread's request to a real model. */
  abort(thread: SessionThread): void {
    this.#modelRequests.get(threadIdOf(thread))?.abort();
    this.#modelRequests.delete(threadIdOf(thread));
  }

  /** Cancels all requests to a real model. The turns keep their state, so the next start repeats the requests. */
  abortAll(): void {
    for (const request of this.#modelRequests.values()) request.abort();
    this.#modelRequests.clear();
  }

  /** Sends the last message of a child thread to the primary thread. */
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

  #append(thread: SessionThread, type: string, fields: Record<string, unknown> = {}, crossPosted = false) {
    return this.#parts.events.append(thread.session.id, type, fields, placeOf(thread, crossPosted));
  }

  /** Writes the span events of one model request around the events that `writeOutput` writes. */
  #request(thread: SessionThread, writeOutput: () => void, isError = false): void {
    const start = this.#append(thread, 'span.model_request_start');
    writeOutput();
    this.#requestEnd(thread, start.id, isError, NO_USAGE);
  }

  #requestEnd(thread: SessionThread, startId: string, isError: boolean, usage: ModelUsage): void {
    const fields = { model_request_start_id: startId, is_error: isError, model_usage: usage };
    this.#append(thread, 'span.model_request_end', fields);
    thread.session.spending.inputTokens += usage.input_tokens;
    thread.session.spending.outputTokens += usage.output_tokens;
  }

  #appendMessage(thread: SessionThread, text: string): void {
    this.#append(thread, 'agent.message', { content: [{ type: 'text', text }] });
  }

  #call(thread: SessionThread, turn: TurnRecord, calls: Call[]): void {
    this.#request(thread, () => this.#announceCalls(thread, turn, calls));
    this.#parts.turns.startRound(thread);
  }

  #announceCalls(thread: SessionThread, turn: TurnRecord, calls: Call[]): void {
    turn.phase = 'calls';
    turn.calls = calls.map((call) => this.#announce(thread, call));
  }

  #announce(thread: SessionThread, call: Call): CallRecord {
    const { kind, serverSide, permission, fields } = announcementOf(call, thread.session.agent);
    const routing = thread.child ? { session_thread_id: thread.child.id } : {};
    const event = this.#append(thread, kind, { ...fields, ...routing }, true);
    const record: CallRecord = { id: event.id, kind, serverSide, state: 'open', resultId: null };
    if (call.result !== undefined) record.scripted = { text: call.result, isError: call.is_error ?? false };
    if (permission === 'ask') record.state = 'awaiting-approval';
    else if (permission === 'deny') {
      this.#parts.turns.answerAsServer(thread, record, 'This tool call was denied.');
    }
    return record;
  }

  #refused(thread: SessionThread, category: string | null, explanation: string | null): void {
    const details = { type: 'refusal', category, explanation };
    this.#parts.turns.end(thread, { type: 'refusal' }, details);
  }

  #scriptedError(thread: SessionThread, turn: TurnRecord, step: Extract<Step, { error: string }>): void {
    const error = { type: step.error, message: 'This error is in the script.' };
    this.#request(thread, () => undefined, true);
    if (step.retries > 0) {
      turn.steps.unshift({ ...step, retries: step.retries - 1 });
      this.#retry(thread, error);
    } else if (step.end === 'recover') this.#parts.turns.advance(thread);
    else if (step.end === 'terminal') this.#parts.turns.terminate(thread.session, error);
    else this.#exhausted(thread, error);
  }

  #retry(thread: SessionThread, error: { type: string; message: string }): void {
    const { statuses, turns } = this.#parts;
    this.#append(thread, 'session.error', { error: { ...error, retry_status: { type: 'retrying' } } });
    if (thread.child) statuses.threadRescheduled(thread.session, thread.child);
    else statuses.rescheduled(thread.session);
    turns.schedule(thread);
  }

  #exhausted(thread: SessionThread, error: { type: string; message: string }): void {
    this.#append(thread, 'session.error', { error: { ...error, retry_status: { type: 'exhausted' } } });
    this.#parts.turns.end(thread, { type: 'retries_exhausted' });
  }

  #spawn(session: SessionRecord, turn: TurnRecord, step: Extract<Step, { threads: unknown }>): void {
    const { state, events, statuses, turns } = this.#parts;
    turn.phase = 'threads';
    const run = step.workflow_run ? { workflowRunId: newId('wfrun') } : {};
    for (const { name, message, steps, terminate } of step.threads) {
      const now = state.clock.iso();
      const child: ThreadRecord = {
        id: newId('sthr'),
        name,
        status: 'idle',
        terminates: terminate,
        ...run,
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

  /** Sends one request to the real model and applies its answer. */
  async #askRealModel(thread: SessionThread, turn: TurnRecord, attempt: number): Promise<void> {
    const { model, events, state } = this.#parts;
    const { session } = thread;
    const request = new AbortController();
    this.#modelRequests.set(threadIdOf(thread), request);
    // The step stays in the turn until there is an answer, so that a restart repeats the request.
    turn.steps.unshift({ ask: true, attempt });
    const start = this.#append(thread, 'span.model_request_start');
    const history = events.list(session.id, thread.child?.id).map(({ event }) => event);
    try {
      if (!model) throw new ModelError('model_request_failed_error', 'There is no real model.', false);
      const answer = await model.answer(session.agent, history, request.signal);
      if (request.signal.aborted) return;
      turn.steps.shift();
      if (contentText(answer.text) !== '') this.#append(thread, 'agent.message', { content: answer.text });
      if (answer.calls.length > 0) {
        turn.steps.unshift({ ask: true, attempt: 1 });
        this.#announceCalls(thread, turn, answer.calls);
      }
      this.#requestEnd(thread, start.id, false, answer.usage);
      if (answer.calls.length > 0) this.#parts.turns.startRound(thread);
      else if (answer.refused) this.#refused(thread, null, null);
      else this.#parts.turns.advance(thread);
    } catch (error) {
      if (request.signal.aborted) return;
      if (!(error instanceof ModelError)) throw error;
      turn.steps.shift();
      this.#requestEnd(thread, start.id, true, NO_USAGE);
      const shown = { type: error.type, message: error.message };
      if (error.transient && attempt < MAX_ATTEMPTS) {
        turn.steps.unshift({ ask: true, attempt: attempt + 1 });
        this.#retry(thread, shown);
      } else this.#exhausted(thread, shown);
    } finally {
      if (this.#modelRequests.get(threadIdOf(thread)) === request)
        this.#modelRequests.delete(threadIdOf(thread));
      if (!request.signal.aborted) {
        state.sessions.put(session.id, session);
        await state.store.save();
      }
    }
  }
}
