// Runs the calls. Each call id runs at most once, ever; each thread of a session runs one call at a time, in order of
// arrival.
import { type Call, type CallRequest, type CallResult, textResult } from './call.ts';
import type { Journal } from './journal.ts';
import type { Log } from './log.ts';
import type { Toolbox } from './toolbox.ts';

/** Maximum number of results that are kept for each session; of older calls only the state is kept. */
const KEPT_RESULTS = 100;
/** Maximum size of all results that are kept: an image is as large as thousands of texts. The latest is always kept. */
const KEPT_BYTES = 32 * 1024 * 1024;

interface Running {
  /** False while the call waits for earlier calls of its thread. */
  begun: boolean;
  cancel: AbortController;
  ended: Promise<void>;
  settle: () => void;
}

export interface CallsOptions {
  journal: Journal;
  /** The tools of a session's thread; session and thread are empty if the request does not name them. */
  toolboxOf: (session: string, thread: string) => Toolbox;
  /** Ends the shells of a session. */
  endShells: (session: string) => void;
  /** Kills every process of a session; returns how many. */
  killSession: (session: string) => number;
  /** Kills the processes that a call started under an earlier boot; returns how many. */
  killCutOff: (call: { id: string; boot: string; session: string; thread: string }) => number;
  log: Log;
  bootId: string;
  keptResults?: number;
  keptBytes?: number;
}

export class Calls {
  readonly #calls = new Map<string, Call>();
  readonly #running = new Map<string, Running>();
  /** For each session, the ids of the calls whose results are kept, oldest first. */
  readonly #kept = new Map<string, string[]>();
  /** For each call, the size in bytes of its kept result, oldest first; #keptBytes is the sum. */
  readonly #sizes = new Map<string, number>();
  #keptBytes = 0;
  readonly #options: Required<CallsOptions>;
  /** For each session and thread, resolves when the last call so far has ended. */
  readonly #queues = new Map<string, Promise<void>>();

  /** Loads the journal. A call that was running when the toolhost died is marked as cut off and its processes killed. */
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

  /** The call with its state and, if it has ended, its result; undefined for an unknown id. */
  get(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  /** Starts the call; does nothing if the id is known already. */
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

  /** Waits until the call has ended, `ms` milliseconds are over, or `signal` is aborted. */
  async untilEnded(id: string, ms: number, signal: AbortSignal): Promise<void> {
    const running = this.#running.get(id);
    if (!running || ms <= 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done);
      running.ended.then(done);
    });
  }

  /** Ends the call and returns it once it has ended. An id that is unknown so far will never run. */
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

  /** Ends all calls and processes of a session; the records of its calls stay. Returns the number of processes killed. */
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
    // The call was cancelled while it waited.
    if (this.#calls.get(call.id)?.state !== 'running') return;
    running.begun = true;
    const started = { ...call, startedAt: new Date().toISOString() };
    try {
      journal.append(started);
    } catch (error) {
      // Without a record the call could run a second time after a restart, so it does not run at all.
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
      // Clients still get the result from memory; after a restart the call counts as cut off.
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

  /** Replaces a kept result by a note that it is no longer kept. */
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
