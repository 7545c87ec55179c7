/**
 * The turns of the sessions: takes user messages, has the steps made, goes on when calls are answered and threads
 * have ended, says what is waited for. A turn is state; after a restart `resume` takes up every open one.
 */
import type { EventLog } from './event-log.ts';
import { scriptFor } from './model.ts';
import { Timers } from './model-timers.ts';
import type { RealModel } from './real-model.ts';
import { announce, wantedCalls } from './requires-action.ts';
import { serverResult } from './results.ts';
import { type Step, withAnswer } from './script.ts';
import type { CallRecord, SessionRecord, State } from './state.ts';
import type { Statuses, StopReason } from './statuses.ts';
import { Steps } from './steps.ts';
import {
  openCalls,
  placeOf,
  primaryOf,
  type Strand,
  setTurn,
  strandId,
  strandOfCall,
  strandsOf,
  turnOf,
  unanswered,
} from './strands.ts';
import type { WorkQueue } from './work-queue.ts';

export class Turns {
  readonly #state: State;
  readonly #events: EventLog;
  readonly #queue: WorkQueue;
  readonly #statuses: Statuses;
  readonly #timers: Timers;
  readonly #steps: Steps;
  readonly #asks: boolean;

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
    this.#asks = model !== undefined;
    this.#timers = new Timers(state.clock);
    this.#steps = new Steps({ state, events, statuses, model, turns: this });
    queue.onStopped = (id) => {
      const session = state.sessions.get(id);
      const rearms = state.switches.get('stop-with-open-calls') === 'requeue';
      if (session && rearms && unanswered(session).length > 0) queue.ensure(session.environment_id, id);
    };
  }

  /** Lets the model go on where an earlier process left it. */
  resume(): void {
    for (const session of this.#state.sessions.values()) {
      for (const strand of strandsOf(session)) if (turnOf(strand)?.phase === 'model') this.schedule(strand);
    }
  }

  /** Ends what is under way in this process; the turns stay. */
  stop(): void {
    this.#timers.clearAll();
    this.#steps.abortAll();
  }

  /** A user's message that was received: begins a turn, or waits for the end of the present one. */
  message(session: SessionRecord, id: string, text: string): void {
    session.waiting.push({ id, text });
    if (!session.turn) this.#begin(session);
    this.#put(session);
  }

  /** A tool's result that was received for an open call. */
  answered(session: SessionRecord, call: CallRecord, resultId: string): void {
    const strand = strandOfCall(session, call.id);
    call.state = 'answered';
    call.resultId = resultId;
    if (strand) this.awaitAnswers(strand);
  }

  /** A user's verdict on a held call. */
  confirmed(
    session: SessionRecord,
    call: CallRecord,
    allowed: boolean,
    denyMessage: string | undefined,
  ): void {
    const strand = strandOfCall(session, call.id);
    if (!strand) return;
    call.state = 'open';
    if (!allowed) {
      const text = `The user denied this tool call.${denyMessage ? ` ${denyMessage}` : ''}`;
      this.answerAsServer(strand, call, text);
    } else if (call.serverSide) this.answerAsServer(strand, call);
    this.awaitAnswers(strand);
  }

  /**
   * Ends the turns of all threads, or of one; results that come later are refused. Messages that wait begin the
   * next turn.
   */
  interrupt(session: SessionRecord, thread?: string | null): void {
    const strands = strandsOf(session).filter((one) => turnOf(one) && (!thread || strandId(one) === thread));
    if (strands.length === 0) return;
    const open = strands.flatMap(openCalls);
    const serverCloses = this.#state.switches.get('interrupt') === 'server-closes';
    for (const strand of strands) {
      for (const call of serverCloses ? openCalls(strand) : []) {
        this.answerAsServer(strand, call, 'The user interrupted this tool call.');
      }
      this.#drop(strand);
      if (strand.child) this.#statuses.threadIdle(session, strand.child, { type: 'end_turn' });
    }
    this.#settle(session, { type: 'end_turn' });
    const item = this.#queue.openItem(session.id);
    if (open.length > 0 && serverCloses && item) this.#queue.stop(item, true);
    if (open.length > 0 && !serverCloses) this.#queue.ensure(session.environment_id, session.id);
    if (session.waiting.length > 0 && !session.turn) this.#begin(session);
    this.#put(session);
  }

  /** Forgets the present turns. */
  drop(session: SessionRecord): void {
    for (const strand of strandsOf(session)) this.#drop(strand);
    this.#put(session);
  }

  /** What an error that cannot be recovered from does to a session. */
  terminate(session: SessionRecord, error: { type: string; message: string }): void {
    if (session.status === 'terminated') return;
    this.drop(session);
    session.waiting = [];
    const fields = { error: { ...error, retry_status: { type: 'terminal' } } };
    this.#events.append(session.id, 'session.error', fields);
    this.#statuses.terminated(session);
  }

  /** Ends a child thread for good, with its open calls. */
  terminateThread(strand: Strand): void {
    if (!strand.child) return;
    this.#drop(strand);
    this.#statuses.threadTerminated(strand.session, strand.child);
    this.#settle(strand.session, { type: 'end_turn' });
  }

  /** Goes on with what waits for money, if there is some now. */
  budgetChanged(session: SessionRecord): void {
    for (const strand of strandsOf(session)) {
      const turn = turnOf(strand);
      if (turn?.phase !== 'budget') continue;
      turn.phase = 'model';
      this.#statuses.running(session);
      this.schedule(strand);
    }
  }

  /** Has the next step made; what is left of the turn says when. */
  schedule(strand: Strand): void {
    const next = turnOf(strand)?.steps[0];
    const delay = next && 'wait_ms' in next ? next.wait_ms : this.#state.switches.number('model-delay-ms');
    this.#timers.set(strandId(strand), delay, () => {
      this.#steps.take(strand);
      void this.#state.store.save();
    });
  }

  /** The same after a moment of real time, while something outside is waited for. */
  look(strand: Strand): void {
    this.#timers.look(strandId(strand), () => {
      this.#steps.take(strand);
      void this.#state.store.save();
    });
  }

  /** After the calls of a step were announced. */
  runRound(strand: Strand): void {
    const { session } = strand;
    for (const call of openCalls(strand)) {
      if (call.serverSide && call.state === 'open') this.answerAsServer(strand, call);
    }
    const { switches } = this.#state;
    const arms =
      switches.get('work-item-at') === 'tool' || switches.get('stop-with-open-calls') === 'requeue';
    if (arms && unanswered(session).length > 0) this.#queue.ensure(session.environment_id, session.id);
    this.awaitAnswers(strand);
  }

  /** Says what is waited for, or lets the model go on when that is nothing. */
  awaitAnswers(strand: Strand): void {
    const { session, child } = strand;
    const turn = turnOf(strand);
    if (!turn) return;
    const open = openCalls(strand);
    if (open.length === 0) {
      turn.phase = 'model';
      if (child) this.#statuses.threadRunning(session, child);
      this.schedule(strand);
    } else if (child && child.status === 'running') {
      const ids = wantedCalls(open, this.#state).map((call) => call.id);
      if (ids.length > 0)
        this.#statuses.threadIdle(session, child, { type: 'requires_action', event_ids: ids });
    }
    announce(session, this.#state, this.#statuses);
    this.#put(session);
  }

  /** After a step: the next one, or the end. */
  goOn(strand: Strand): void {
    const turn = turnOf(strand);
    const { session, child } = strand;
    if (!turn) return;
    if (turn.steps.length === 0 && !child) this.#takeMessages(session);
    if (turn.steps.length > 0) this.schedule(strand);
    else this.end(strand, { type: 'end_turn' });
    this.#put(session);
  }

  /** Ends a turn; a child thread reports its last words to the primary one. */
  end(strand: Strand, reason: StopReason, details: unknown = null): void {
    const { session, child } = strand;
    this.#drop(strand);
    if (child) {
      this.#steps.report(session, child);
      this.#statuses.threadIdle(session, child, reason, details);
      if (child.terminates || reason.type === 'retries_exhausted') {
        this.#statuses.threadTerminated(session, child);
      }
    } else if (reason.type === 'retries_exhausted') {
      // What was waiting behind a failed turn goes with it.
      for (const { id } of session.waiting.splice(0)) this.#events.process(id);
    }
    this.#settle(session, reason, details);
    if (!child && session.waiting.length > 0 && !session.turn) this.#begin(session);
    this.#put(session);
  }

  /** Closes a call with a result of the service's own; without a text, the one that its tool gives here. */
  answerAsServer(strand: Strand, call: CallRecord, text?: string): void {
    const { type, fields } = serverResult(call, this.#events.get(call.id), text);
    call.state = 'answered';
    const place = placeOf(strand, true);
    const routed = place.thread ? { session_thread_id: place.thread } : {};
    call.resultId = this.#events.append(strand.session.id, type, { ...fields, ...routed }, place).id;
  }

  #begin(session: SessionRecord): void {
    session.turn = { steps: [], phase: 'model', calls: [] };
    this.#statuses.running(session);
    this.#takeMessages(session);
    if (this.#state.switches.get('work-item-at') !== 'tool') {
      this.#queue.ensure(session.environment_id, session.id);
    }
    this.schedule(primaryOf(session));
  }

  #takeMessages(session: SessionRecord): void {
    for (const { id, text } of session.waiting.splice(0)) {
      this.#events.process(id);
      session.turn?.steps.push(...this.#stepsFor(text));
    }
  }

  #stepsFor(text: string): Step[] {
    // The answer of a message follows its own calls, also when the next message waits behind it.
    const steps = withAnswer(scriptFor(text, this.#asks));
    if (this.#state.switches.get('parallel-calls') === 'on') return steps;
    return steps.flatMap((step): Step[] =>
      'calls' in step ? step.calls.map((call) => ({ calls: [call] })) : [step],
    );
  }

  /** After a thread's turn has ended: who waits for threads goes on; when nothing is left, the session is idle. */
  #settle(session: SessionRecord, reason: StopReason, details: unknown = null): void {
    const active = strandsOf(session).filter((strand) => turnOf(strand));
    if (session.status === 'terminated') return;
    const { turn } = session;
    if (active.length === 0) this.#statuses.idle(session, reason, details);
    else if (turn?.phase === 'threads' && active.length === 1) {
      turn.phase = 'model';
      this.#statuses.running(session);
      this.goOn(primaryOf(session));
    } else announce(session, this.#state, this.#statuses);
    this.#put(session);
  }

  #drop(strand: Strand): void {
    this.#timers.clear(strandId(strand));
    this.#steps.abort(strand);
    setTurn(strand, null);
  }

  #put(session: SessionRecord): void {
    this.#state.sessions.put(session.id, session);
  }
}
