// The calls: each id runs at most once, ever; of each thread of a session one call runs at a time, in order of
// arrival.
import { type Call, type CallRequest, type CallResult, textResult } from './call.ts';
import type { Log } from './call-log.ts';
import type { Journal } from './journal.ts';
import type { Toolbox } from './toolbox.ts';

/** So many results of a session are kept; of older calls only how they ended. */
const KEPT_RESULTS = 100;
/** Of all results that are kept, an image being as large as thousands of texts. The latest is kept in any case. */
const KEPT_BYTES = 32 * 1024 * 1024;

interface Running {
  /** False while the call waits for its turn. */
  begun: boolean;
  cancel: AbortController;
  ended: Promise<void>;
  settle: () => void;
}

export interface CallsOptions {
  journal: Journal;
  /** The tools of a session's thread; both are empty where they are not named. */
  toolboxOf: (session: string, thread: string) => Toolbox;
  /** Ends the shells of a session. */
  endShells: (session: string) => void;
  /** Kills all that a session's calls have left running; returns how many processes that were. */
  killSession: (session: string) => number;
  /** Kills what a call started under an earlier boot. */
  killCutOff: (call: { id: string; boot: string; session: string; thread: string }) => number;
  log: Log;
  bootId: string;
  keptResults?: number;
  keptBytes?: number;
}

export class Calls {
  readonly #calls = new Map<string, Call>();
  readonly #running = new Map<string, Running>();
  /** By session, the ids of the calls whose results are kept, oldest first. */
  readonly #kept = new Map<string, string[]>();
  /** By call, the bytes of the results that are kept, oldest first, and their sum. */
  readonly #sizes = new Map<string, number>();
  #keptBytes = 0;
  readonly #options: Required<CallsOptions>;
  /** By session and thread, the end of the last call that was begun or waits. */
  readonly #queues = new Map<string, Promise<void>>();

  /** Takes up what the journal holds: a call that was running when the toolhost died is cut off. */
  constructor(options: CallsOptions) {
    this.#options = { keptResults: KEPT_RESULTS, keptBytes: KEPT_BYTES, ...options };
    const { calls, damaged } = options.journal.load();
    const cut = calls.filter((call) => call.state === 'running');
    const killed = cut.map(({ id, bootId, session = '', thread = '' }) =>
      options.killCutOff({ id, boot: bootId, session, thread }),
    );
    for (const call of calls) this.#remember(call.state === 'running' ? cutOff(call) : call);
    options.journal.rewrite(this.#calls.values());
    const cutOffIds = cut.map((call) => call.id);
    options.log('journal read', { calls: calls.length, damagedLines: damaged, cutOff: cutOffIds, killed });
  }

  get(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  /** Starts the call; does nothing for an id that is known. */
  start(id: string, request: CallRequest): void {
    if (this.#calls.has(id)) return;
    const call: Call = {
      id,
      name: request.name,
      ...(request.session ? { session: request.session } : {}),
      ...(request.thread ? { thread: request.thread } : {}),
      state: 'running',
      bootId: this.#options.bootId,
      startedAt: new Date().toISOString(),
    };
    this.#calls.set(id, call);
    let settle = () => {};
    const ended = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const running: Running = { begun: false, cancel: new AbortController(), ended, settle };
    this.#running.set(id, running);
    const queue = queueOf(call);
    const before = this.#queues.get(queue) ?? Promise.resolve();
    const ran = before.then(() => this.#run(call, request, running));
    this.#queues.set(queue, ran);
    void ran.then(() => this.#queues.get(queue) === ran && this.#queues.delete(queue));
  }

  /** Waits until the call has ended, at most `ms` milliseconds, and no longer than until `left` is aborted. */
  async untilEnded(id: string, ms: number, left: AbortSignal): Promise<void> {
    const running = this.#running.get(id);
    if (!running || ms <= 0 || left.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      const done = () => {
        clearTimeout(timer);
        left.removeEventListener('abort', done);
        resolve();
      };
      left.addEventListener('abort', done);
      running.ended.then(done);
    });
  }

  /** Ends a running call; an id that is not known will never run. Returns once it has ended. */
  async cancel(id: string): Promise<Call> {
    const running = this.#running.get(id);
    const startedAt = new Date().toISOString();
    const call = this.#calls.get(id) ?? {
      id,
      name: '',
      state: 'running',
      bootId: this.#options.bootId,
      startedAt,
    };
    if (running?.begun) {
      running.cancel.abort();
      await running.ended;
    } else if (call.state === 'running') {
      this.#end(call, 'cancelled', NEVER_RAN);
    }
    return this.#calls.get(id) as Call;
  }

  /** Ends all calls of a session that has ended, and all its processes; what is known of its calls stays. */
  async endSession(session: string): Promise<{ killed: number }> {
    const ids = [...this.#running.keys()].filter((id) => this.#calls.get(id)?.session === session);
    await Promise.all(ids.map((id) => this.cancel(id)));
    this.#options.endShells(session);
    const killed = this.#options.killSession(session);
    this.#options.log('session ended', { session, cancelled: ids, killed });
    return { killed };
  }

  async #run(call: Call, request: CallRequest, running: Running): Promise<void> {
    const { journal, toolboxOf, log } = this.#options;
    // Cancelled while it waited.
    if (this.#calls.get(call.id)?.state !== 'running') return;
    running.begun = true;
    const started = { ...call, startedAt: new Date().toISOString() };
    try {
      journal.append(started);
    } catch (error) {
      // Run without a record, it might run again after a restart.
      log('journal failed', { id: call.id, error: String(error) });
      const why = `Not run, because it could not be recorded: ${(error as Error).message}`;
      return this.#end(started, 'finished', textResult(why, true));
    }
    log('call started', { id: call.id, name: call.name });
    const result = await toolboxOf(call.session ?? '', call.thread ?? '').run(
      call.id,
      request,
      running.cancel.signal,
    );
    if (running.cancel.signal.aborted) this.#end(started, 'cancelled', CANCELLED);
    else this.#end(started, 'finished', result);
  }

  #end(call: Call, state: 'finished' | 'cancelled', result: CallResult): void {
    const { journal, log } = this.#options;
    const ended: Call = { ...call, state, finishedAt: new Date().toISOString(), result };
    this.#remember(ended);
    try {
      journal.append(ended);
      if (journal.isLong) journal.rewrite(this.#calls.values());
    } catch (error) {
      // Whoever waits still gets the result; after a restart the call counts as cut off.
      log('journal failed', { id: call.id, error: String(error) });
    }
    const ms = Date.parse(ended.finishedAt ?? '') - Date.parse(ended.startedAt);
    log('call ended', { id: call.id, name: call.name, state, isError: result.isError, ms });
    this.#running.get(call.id)?.settle();
    this.#running.delete(call.id);
  }

  #remember(call: Call): void {
    this.#calls.set(call.id, call);
    if (!call.result || call.result === DROPPED) return;
    const { keptResults, keptBytes } = this.#options;
    const kept = this.#kept.get(call.session ?? '') ?? [];
    this.#kept.set(call.session ?? '', kept);
    kept.push(call.id);
    const size = sizeOf(call.result);
    this.#sizes.set(call.id, size);
    this.#keptBytes += size;
    if (kept.length > keptResults) this.#drop(kept[0] as string);
    for (const id of this.#sizes.keys()) {
      if (this.#keptBytes <= keptBytes || id === call.id) return;
      this.#drop(id);
    }
  }

  /** Of the call only how it ended is known from now on. */
  #drop(id: string): void {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.set(id, { ...call, result: DROPPED });
    this.#keptBytes -= this.#sizes.get(id) ?? 0;
    this.#sizes.delete(id);
    const kept = this.#kept.get(call.session ?? '') ?? [];
    kept.splice(kept.indexOf(id), 1);
  }
}

function sizeOf({ content }: CallResult): number {
  return content.reduce(
    (sum, block) => sum + (block.type === 'text' ? Buffer.byteLength(block.text) : block.source.data.length),
    0,
  );
}

function queueOf({ session = '', thread = '' }: Call): string {
  return `${session} ${thread}`;
}

const NEVER_RAN = textResult('The call was cancelled before it ran.', true);
const CANCELLED = textResult('The call was cancelled. It may have run partly.', true);
const DROPPED = textResult('The call ended, but its result is no longer kept.', true);

function cutOff(call: Call): Call {
  const text =
    'The sandbox or its tool program was restarted while this call ran. It may have run partly; it was not run again.';
  return { ...call, state: 'cut_off', finishedAt: new Date().toISOString(), result: textResult(text, true) };
}
