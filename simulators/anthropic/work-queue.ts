/**
 * The work queue of the environments: hands out items, keeps their leases, and offers them again. Time-outs are
 * applied lazily: there are no timers, `applyTimeouts` runs before each read.
 */
import { ApiError, notFound } from './errors.ts';
import { newId, newSessionsToken } from './ids.ts';
import { heartbeatItem } from './lease.ts';
import type { State, WorkRecord } from './state.ts';

const STARTING_REOFFER_MS = 30_000;
const POLLER_ACTIVE_MS = 30_000;

export class WorkQueue {
  readonly #state: State;
  /** Wake the waiting polls when an item may have become available, in the order of the polls. */
  readonly #waiting = new Set<() => void>();
  readonly #pollers = new Map<string, { environment: string; at: number }>();
  /** Items that are not stopped, by id: in a long-lived queue, a small part of all items. */
  readonly #open = new Map<string, WorkRecord>();
  /** Called with the session id when an item has stopped. */
  onStopped: (session: string) => void = () => {};

  constructor(state: State) {
    this.#state = state;
    for (const item of state.work.values()) if (item.state !== 'stopped') this.#open.set(item.id, item);
  }

  /** Queues a work item for a session unless it has an open one. */
  ensure(environment: string, session: string): void {
    if (!this.openItem(session)) this.enqueue(environment, { type: 'session', id: session });
  }

  enqueue(environment: string, data: WorkRecord['data']): WorkRecord {
    const item: WorkRecord = {
      id: newId('work'),
      environment_id: environment,
      state: 'queued',
      data,
      metadata: {},
      created_at: this.#state.clock.iso(),
      acknowledged_at: null,
      started_at: null,
      latest_heartbeat_at: null,
      stop_requested_at: null,
      stopped_at: null,
      deliveredAt: null,
      heartbeat: null,
      ttlSeconds: this.#state.switches.number('lease-ttl-seconds'),
      lapsed: false,
    };
    this.#state.work.put(item.id, item);
    this.#open.set(item.id, item);
    this.#wake();
    return item;
  }

  /** The session's item that is not stopped. */
  openItem(session: string): WorkRecord | undefined {
    return [...this.#open.values()].find((item) => item.data.id === session);
  }

  /** Hands out the next item with a new sessions token. New items come first, then items due for a new offer. */
  poll(environment: string, reclaimMs: number): { item: WorkRecord; token: string | null } | undefined {
    this.applyTimeouts(environment, true);
    const now = this.#state.clock.now();
    const queued = this.#queued(environment);
    const isNew = (item: WorkRecord) => item.deliveredAt === null;
    const isReofferDue = (item: WorkRecord) =>
      item.deliveredAt !== null && now - item.deliveredAt >= reclaimMs;
    const item = queued.find(isNew) ?? queued.find(isReofferDue);
    if (!item) return undefined;
    const offered = this.#offer(item);
    return { item: offered, token: this.#mintToken(offered) };
  }

  /** Resolves when an item may have been queued, or when `signal` aborts. */
  available(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  recordPoller(environment: string, workerId: string | undefined): void {
    const now = this.#state.clock.now();
    for (const [id, { at }] of this.#pollers) if (now - at > POLLER_ACTIVE_MS) this.#pollers.delete(id);
    // A worker may poll the queues of several environments under one id.
    if (workerId) this.#pollers.set(`${environment} ${workerId}`, { environment, at: now });
  }

  ack(item: WorkRecord): WorkRecord {
    if (item.state === 'queued') {
      item.state = 'starting';
      item.lapsed = false;
      item.acknowledged_at = this.#state.clock.iso();
      return this.#state.work.put(item.id, item);
    }
    const choice = this.#state.switches.get('ack-twice');
    if (choice === '404') throw notFound('Work', item.id);
    if (choice === '409' || item.state === 'stopped') {
      throw new ApiError(409, `Work ${item.id} was already acknowledged; it is ${item.state}.`);
    }
    return item;
  }

  /** `expected`: the last heartbeat that the client knows, `NO_HEARTBEAT` for none. Throws 412. */
  heartbeat(item: WorkRecord, expected: string | undefined, desiredTtl: number | undefined) {
    return heartbeatItem(this.#state, item, expected, desiredTtl);
  }

  /** Stops an item, at once with `force`. Throws 409 for a stopped item. */
  stop(item: WorkRecord, force: boolean): void {
    if (item.state === 'stopped') throw new ApiError(409, `Work ${item.id} is already stopped.`);
    const unstarted = item.state === 'queued' || item.state === 'starting';
    item.stop_requested_at ??= this.#state.clock.iso();
    if (force || (unstarted && this.#state.switches.get('graceful-stop-unstarted') === 'stopped')) {
      this.#stopped(item);
    } else {
      item.state = 'stopping';
      this.#state.work.put(item.id, item);
    }
  }

  stats(environment: string): Record<string, unknown> {
    this.applyTimeouts(environment);
    const queued = this.#queued(environment);
    const depth = queued.filter((item) => item.deliveredAt === null).length;
    const since = this.#state.clock.now() - POLLER_ACTIVE_MS;
    const pollers = [...this.#pollers.values()].filter((p) => p.environment === environment && p.at >= since);
    return {
      type: 'work_queue_stats',
      depth,
      pending: queued.length - depth,
      oldest_queued_at: queued[0]?.created_at ?? null,
      workers_polling: pollers.length,
    };
  }

  /** The items of an environment, oldest first. */
  items(environment: string): WorkRecord[] {
    return this.#state.work.values().filter((item) => item.environment_id === environment);
  }

  /** Applies the time-outs of an environment's items. */
  applyTimeouts(environment: string, polling = false): void {
    for (const item of this.#open.values()) {
      if (item.environment_id === environment) this.applyItemTimeouts(item, polling);
    }
  }

  /** Applies the time-outs of all items, after the clock has jumped. */
  applyAllTimeouts(): void {
    for (const item of this.#open.values()) this.applyItemTimeouts(item);
  }

  applyItemTimeouts(item: WorkRecord, polling = false): void {
    const { clock, switches } = this.#state;
    const age = (at: string | null) => clock.now() - Date.parse(at ?? clock.iso());
    const ttlMs = item.ttlSeconds * 1000;
    if (item.state === 'active' && age(item.latest_heartbeat_at) > ttlMs) {
      if (polling || switches.get('lapse-noticed') === 'at-once') this.#requeue(item);
    } else if (item.state === 'starting') {
      const choice = switches.get('starting-reoffer');
      const limit = choice === 'ttl' ? ttlMs : STARTING_REOFFER_MS;
      if (choice !== 'never' && age(item.acknowledged_at) > limit) this.#requeue(item);
    } else if (item.state === 'stopping' && switches.get('stopping-unconfirmed') === 'stopped-after-ttl') {
      if (age(item.stop_requested_at) > ttlMs) this.#stopped(item);
    }
  }

  #requeue(item: WorkRecord): void {
    item.state = 'queued';
    item.lapsed = item.heartbeat !== null;
    item.heartbeat = null;
    item.latest_heartbeat_at = null;
    item.acknowledged_at = null;
    item.started_at = null;
    // 0: due for a new offer at once, even in the poll that applies this time-out.
    item.deliveredAt = item.deliveredAt === null ? null : 0;
    this.#state.work.put(item.id, item);
    this.#wake();
  }

  #stopped(item: WorkRecord): void {
    item.state = 'stopped';
    item.stopped_at = this.#state.clock.iso();
    this.#state.work.put(item.id, item);
    this.#open.delete(item.id);
    if (item.data.type === 'session') this.onStopped(item.data.id);
  }

  /** Marks an item as handed out. By the switch `reoffer-id`, a repeated offer gets a new id. */
  #offer(item: WorkRecord): WorkRecord {
    let offered = item;
    if (item.deliveredAt !== null && this.#state.switches.get('reoffer-id') === 'new') {
      this.#state.work.delete(item.id);
      this.#open.delete(item.id);
      offered = { ...item, id: newId('work') };
      this.#open.set(offered.id, offered);
    }
    offered.deliveredAt = this.#state.clock.now();
    offered.lapsed = false;
    return this.#state.work.put(offered.id, offered);
  }

  #queued(environment: string): WorkRecord[] {
    const open = [...this.#open.values()];
    return open.filter((item) => item.environment_id === environment && item.state === 'queued');
  }

  #mintToken(item: WorkRecord): string | null {
    if (item.data.type !== 'session' || this.#state.switches.get('work-secret') === 'off') return null;
    const token = newSessionsToken();
    for (const [expired, { expiresAt }] of this.#state.tokens.entries()) {
      if (expiresAt <= this.#state.clock.now()) this.#state.tokens.delete(expired);
    }
    const lifetimeMs = this.#state.switches.number('sessions-token-seconds') * 1000;
    this.#state.tokens.put(token, {
      environment_id: item.environment_id,
      session: item.data.id,
      expiresAt: this.#state.clock.now() + lifetimeMs,
    });
    return token;
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) resolve();
  }
}
