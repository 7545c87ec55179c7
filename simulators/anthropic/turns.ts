/**
 * Runs the turns of the sessions: takes user messages, schedules the steps of the model, continues when calls are
 * answered and threads have ended, and announces required actions. Turns are stored; `resume` continues them.
 */
import type { EventLog } from './event-log.ts';
import { Timers } from './model-timers.ts';
import type { RealModel } from './real-model.ts';
import { announceRequiredAction, requiredCalls } from './requires-action.ts';
import { serverResult } from './results.ts';
import { stepsForMessage } from './scripted-model.ts';
import {
  interruptible,
  openCalls,
  openCallsOfSession,
  placeOf,
  primaryThread,
  type SessionThread,
  setTurn,
  threadIdOf,
  threadOfCall,
  threadsOf,
  turnOf,
} from './session-threads.ts';
import type { CallRecord, SessionRecord, State } from './state.ts';
import type { Statuses, StopReason } from './statuses.ts';
import { Steps } from './steps.ts';
import type { TurnControl } from './turn-control.ts';
import type { WorkQueue } from './work-queue.ts';

export class Turns implements TurnControl {
  readonly #state: State;
  readonly #events: EventLog;
  readonly #queue: WorkQueue;
  readonly #statuses: Statuses;
  readonly #timers: Timers;
  readonly #steps: Steps;
  readonly #hasRealModel: boolean;

  constructor(
    state: State,
    events: EventLog,
    queue: WorkQueue,
    statuses: Statuses,
    model: RealModel | undefined,
  ) {
    this.#state = state;
    this.#events = events;
    this.#queue = queue;
    this.#statuses = statuses;
    this.#hasRealModel = model !== undefined;
    this.#timers = new Timers(state.clock);
    this.#steps = new Steps({ state, events, statuses, model, turns: this });
    queue.onStopped = (id) => {
      const session = state.sessions.get(id);
      const requeues = state.switches.get('stop-with-open-calls') === 'requeue';
      if (session && requeues && openCallsOfSession(session).length > 0)
        queue.ensure(session.environment_id, id);
    };
  }

  /** Continues the turns of an earlier process. */
  resume(): void {
    for (const session of this.#state.sessions.values()) {
      for (const thread of threadsOf(session)) if (turnOf(thread)?.phase === 'model') this.schedule(thread);
    }
  }

  /** Stops all timers and model requests of this process. The turns keep their state. */
  stop(): void {
    this.#timers.clearAll();
    this.#steps.abortAll();
  }

  /** Starts a turn for a received user message, or queues the message until the current turn ends. */
  message(session: SessionRecord, id: string, text: string): void {
    session.waiting.push({ id, text });
    if (!session.turn) this.#begin(session);
    this.#put(session);
  }

  /** Records a received result of an open call. */
  answered(session: SessionRecord, call: CallRecord, resultId: string): void {
    const thread = threadOfCall(session, call.id);
    call.state = 'answered';
    call.resultId = resultId;
    if (thread) this.awaitAnswers(thread);
  }

  /** Applies a user's decision on a call that awaits approval. */
  confirmed(
    session: SessionRecord,
    call: CallRecord,
    allowed: boolean,
    denyMessage: string | undefined,
  ): void {
    const thread = threadOfCall(session, call.id);
    if (!thread) return;
    call.state = 'open';
    if (!allowed) {
      const text = `The user denied this tool call.${denyMessage ? ` ${denyMessage}` : ''}`;
      this.answerAsServer(thread, call, text);
    } else if (call.serverSide) this.answerAsServer(thread, call);
    this.awaitAnswers(thread);
  }

  /**
   * Ends the turns of all threads, or of one. Later results of their calls are refused. Queued messages start the next
   * turn.
   */
  interrupt(session: SessionRecord, threadId?: string | null): void {
    const threads = interruptible(session, threadId, this.#state).filter((thread) => turnOf(thread));
    if (threads.length === 0) return;
    const open = threads.flatMap(openCalls);
    const serverCloses = this.#state.switches.get('interrupt') === 'server-closes';
    for (const thread of threads) {
      for (const call of serverCloses ? openCalls(thread) : []) {
        this.answerAsServer(thread, call, 'The user interrupted this tool call.');
      }
      this.#drop(thread);
      if (thread.child) this.#statuses.threadIdle(session, thread.child, { type: 'end_turn' });
    }
    this.#afterTurn(session, { type: 'end_turn' });
    const item = this.#queue.openItem(session.id);
    if (open.length > 0 && serverCloses && item) this.#queue.stop(item, true);
    if (open.length > 0 && !serverCloses) this.#queue.ensure(session.environment_id, session.id);
    if (session.waiting.length > 0 && !session.turn) this.#begin(session);
    this.#put(session);
  }

  /** Drops the current turns without events. */
  drop(session: SessionRecord): void {
    for (const thread of threadsOf(session)) this.#drop(thread);
    this.#put(session);
  }

  terminate(session: SessionRecord, error: { type: string; message: string }): void {
    if (session.status === 'terminated') return;
    this.drop(session);
    session.waiting = [];
    const fields = { error: { ...error, retry_status: { type: 'terminal' } } };
    this.#events.append(session.id, 'session.error', fields);
    this.#statuses.terminated(session);
  }

  /** Terminates a child thread with its open calls. */
  terminateThread(thread: SessionThread): void {
    if (!thread.child) return;
    this.#drop(thread);
    this.#statuses.threadTerminated(thread.session, thread.child);
    this.#afterTurn(thread.session, { type: 'end_turn' });
  }

  /** Continues the turns that wait for a higher budget; the next step checks it again. */
  budgetChanged(session: SessionRecord): void {
    for (const thread of threadsOf(session)) {
      const turn = turnOf(thread);
      if (turn?.phase !== 'budget') continue;
      turn.phase = 'model';
      this.#statuses.running(session);
      this.schedule(thread);
    }
  }

  schedule(thread: SessionThread): void {
    const next = turnOf(thread)?.steps[0];
    const delay = next && 'wait_ms' in next ? next.wait_ms : this.#state.switches.number('model-delay-ms');
    this.#timers.set(threadIdOf(thread), delay, () => {
      this.#steps.take(thread);
      void this.#state.store.save();
    });
  }

  recheckSoon(thread: SessionThread): void {
    this.#timers.recheckSoon(threadIdOf(thread), () => {
      this.#steps.take(thread);
      void this.#state.store.save();
    });
  }

  startRound(thread: SessionThread): void {
    const { session } = thread;
    for (const call of openCalls(thread)) {
      if (call.serverSide && call.state === 'open') this.answerAsServer(thread, call);
    }
    const { switches } = this.#state;
    const queuesWork =
      switches.get('work-item-at') === 'tool' || switches.get('stop-with-open-calls') === 'requeue';
    if (queuesWork && openCallsOfSession(session).length > 0)
      this.#queue.ensure(session.environment_id, session.id);
    this.awaitAnswers(thread);
  }

  /** Announces the calls that the thread waits for; if there are none, schedules the next step. */
  awaitAnswers(thread: SessionThread): void {
    const { session, child } = thread;
    const turn = turnOf(thread);
    if (!turn) return;
    const open = openCalls(thread);
    if (open.length === 0) {
      turn.phase = 'model';
      if (child) this.#statuses.threadRunning(session, child);
      this.schedule(thread);
    } else if (child && child.status === 'running') {
      const ids = requiredCalls(open, this.#state).map((call) => call.id);
      if (ids.length > 0)
        this.#statuses.threadIdle(session, child, { type: 'requires_action', event_ids: ids });
    }
    announceRequiredAction(session, this.#state, this.#statuses);
    this.#put(session);
  }

  advance(thread: SessionThread): void {
    const turn = turnOf(thread);
    const { session, child } = thread;
    if (!turn) return;
    if (turn.steps.length === 0 && !child) this.#takeMessages(session);
    if (turn.steps.length > 0) this.schedule(thread);
    else this.end(thread, { type: 'end_turn' });
    this.#put(session);
  }

  end(thread: SessionThread, reason: StopReason, details: unknown = null): void {
    const { session, child } = thread;
    this.#drop(thread);
    if (child) {
      this.#steps.report(session, child);
      this.#statuses.threadIdle(session, child, reason, details);
      if (child.terminates || reason.type === 'retries_exhausted') {
        this.#statuses.threadTerminated(session, child);
      }
    } else if (reason.type === 'retries_exhausted') {
      // A failed turn drops the messages that waited for its end.
      for (const { id } of session.waiting.splice(0)) this.#events.process(id);
    }
    this.#afterTurn(session, reason, details);
    if (!child && session.waiting.length > 0 && !session.turn) this.#begin(session);
    this.#put(session);
  }

  answerAsServer(thread: SessionThread, call: CallRecord, text?: string): void {
    const { type, fields } = serverResult(call, this.#events.get(call.id), text);
    call.state = 'answered';
    const place = placeOf(thread, true);
    const routed = place.thread ? { session_thread_id: place.thread } : {};
    call.resultId = this.#events.append(thread.session.id, type, { ...fields, ...routed }, place).id;
  }

  #begin(session: SessionRecord): void {
    session.turn = { steps: [], phase: 'model', calls: [] };
    this.#statuses.running(session);
    this.#takeMessages(session);
    if (this.#state.switches.get('work-item-at') !== 'tool') {
      this.#queue.ensure(session.environment_id, session.id);
    }
    this.schedule(primaryThread(session));
  }

  #takeMessages(session: SessionRecord): void {
    const parallelCalls = this.#state.switches.get('parallel-calls') === 'on';
    for (const { id, text } of session.waiting.splice(0)) {
      this.#events.process(id);
      session.turn?.steps.push(...stepsForMessage(text, this.#hasRealModel, parallelCalls));
    }
  }

  /** After the end of a thread's turn: continues a primary turn that waited for threads, or sets the session idle. */
  #afterTurn(session: SessionRecord, reason: StopReason, details: unknown = null): void {
    const active = threadsOf(session).filter((thread) => turnOf(thread));
    if (session.status === 'terminated') return;
    const { turn } = session;
    if (active.length === 0) this.#statuses.idle(session, reason, details);
    else if (turn?.phase === 'threads' && active.length === 1) {
      turn.phase = 'model';
      this.#statuses.running(session);
      this.advance(primaryThread(session));
    } else announceRequiredAction(session, this.#state, this.#statuses);
    this.#put(session);
  }

  #drop(thread: SessionThread): void {
    this.#timers.clear(threadIdOf(thread));
    this.#steps.abort(thread);
    setTurn(thread, null);
  }

  #put(session: SessionRecord): void {
    this.#state.sessions.put(session.id, session);
  }
}
