/** The sandboxes: serves requests about them, their time-outs, and the traffic that resumes them. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ApiError, notFound } from './api-error.ts';
import { ExpiryTimers } from './expiry.ts';
import { freezeBox, isBoxAlive, planBox, thawBox } from './isolation/box.ts';
import { copyDisk } from './isolation/disk.ts';
import { Locks } from './locks.ts';
import type { EgressUpdate, NewSandbox, SandboxRecord } from './record.ts';
import { type Resume, Transitions, type TransitionsOptions } from './transitions.ts';

export interface SandboxesOptions extends Omit<TransitionsOptions, 'timers'> {
  /** Parent of the sandboxes' folders. */
  folder: string;
  log(message: string): void;
}

/** A sandbox resumed by traffic runs at least this long. */
const AUTO_RESUME_MS = 300_000;

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #locks = new Locks();
  readonly #pausing = new Map<string, Promise<void>>();
  /** Without processes for a moment, but not ended. */
  readonly #restarting = new Set<string>();
  readonly #timers: ExpiryTimers;
  readonly #transitions: Transitions;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#timers = new ExpiryTimers(options.clock, (id) => this.#expire(id));
    this.#transitions = new Transitions({ ...options, timers: this.#timers });
  }

  /** Resolves when the sandbox runs and its template is ready. It starts with a copy of the disk in the folder `disk`. */
  async create(wanted: NewSandbox, disk?: string): Promise<SandboxRecord> {
    const { table, clock, machines, folder } = this.#options;
    this.#assertBelowLimit();
    const id = `i${[...randomBytes(20)].map((byte) => 'abcdefghijklmnopqrstuvwxyz0123456789'[byte % 36]).join('')}`;
    const dir = join(folder, id);
    const now = clock.now();
    const record = table.put(id, {
      ...wanted,
      id,
      dir,
      groups: planBox(dir, machines.cgroups),
      envdAccessToken: randomBytes(24).toString('hex'),
      trafficAccessToken: randomBytes(24).toString('hex'),
      state: 'starting',
      startedAt: now,
      endAt: now + wanted.timeoutMs,
    });
    await this.#locks.run(id, () => this.#transitions.start(record, disk));
    return record;
  }

  /** Throws a 404 for a sandbox that is unknown, starting, being killed, or dead. */
  get(id: string): SandboxRecord {
    const record = this.#options.table.get(id);
    if (!record || record.state === 'starting' || record.state === 'killing') throw notFound(id);
    if (hasEnded(record) && !this.#restarting.has(id)) {
      void this.#locks.run(id, () => this.#removeIfEnded(record));
      throw notFound(id);
    }
    return record;
  }

  /** Checks again under the lock: a transition under way may have given it new processes. */
  async #removeIfEnded(record: SandboxRecord): Promise<void> {
    if (this.#options.table.get(record.id) !== record || !hasEnded(record)) return;
    this.#options.log(`sandbox ${record.id} ended by itself`);
    await this.#transitions.remove(record);
  }

  list(): SandboxRecord[] {
    return this.#options.table
      .values()
      .filter(({ state, hidden }) => state !== 'starting' && state !== 'killing' && !hidden);
  }

  /**
   * Resumes a paused sandbox, or extends (never shortens) the time-out of a running one, after a pause in progress.
   * Throws a 404, a 409 if the sandbox is being killed, or a 429 if the limit of running sandboxes is reached.
   */
  connect(
    id: string,
    timeoutMs: number,
    how: Resume = 'memory',
  ): Promise<{ record: SandboxRecord; resumed: boolean }> {
    if (this.#options.table.get(id)?.state === 'killing')
      throw new ApiError(409, `Sandbox '${id}' is being killed`);
    return this.#withLock(id, async (record) => {
      const resumed = record.state === 'paused';
      if (resumed) await this.#resume(record, timeoutMs, how);
      else await this.#extend(record, timeoutMs);
      return { record, resumed };
    });
  }

  /** Resumes a paused sandbox. Throws a 404, a 409 if it runs, or a 429 if the limit of running sandboxes is reached. */
  resume(id: string, timeoutMs: number, autoPause?: boolean, how: Resume = 'memory'): Promise<SandboxRecord> {
    return this.#withLock(id, async (record) => {
      if (record.state !== 'paused') throw new ApiError(409, `Sandbox '${id}' is already running`);
      await this.#resume(record, timeoutMs, how);
      if (autoPause !== undefined) {
        record.onTimeout = autoPause ? 'pause' : 'kill';
        this.#options.table.put(id, record);
        await this.#options.save();
      }
      return record;
    });
  }

  /** Extends (never shortens) the time-out of a running sandbox. Throws a 404, also for a paused one. */
  refresh(id: string, durationMs: number): Promise<void> {
    return this.#withLock(id, async (record) => {
      if (record.state === 'paused') throw notFound(id);
      await this.#extend(record, durationMs);
    });
  }

  /** Resolves when the sandbox is paused; concurrent calls share one pause. Throws a 409 if it is paused already. */
  pause(id: string, memory = true): Promise<void> {
    this.get(id);
    const running = this.#pausing.get(id);
    if (running) return running;
    const pausing = this.#withLock(id, async (record) => {
      if (record.state === 'paused') throw new ApiError(409, `Sandbox '${id}' is already paused`);
      await this.#pause(record, memory);
    }).finally(() => this.#pausing.delete(id));
    this.#pausing.set(id, pausing);
    return pausing;
  }

  /** A failing pause: falls back to the previous pause, or removes the sandbox if there was none. Throws a 500 or 404. */
  async failPause(id: string): Promise<never> {
    await this.#withLock(id, (record) => this.#transitions.restoreLastPause(record));
    throw new ApiError(500, `Error pausing sandbox '${id}'`, 'internal_server_error');
  }

  /** Copies the disk of a running sandbox while it is frozen. Throws a 404, or a 409 if it is paused. */
  snapshot(id: string, folder: string): Promise<SandboxRecord> {
    return this.#withLock(id, async (record) => {
      if (record.state !== 'running' || !record.box) throw new ApiError(409, `Sandbox '${id}' is paused`);
      await freezeBox(record.box);
      try {
        await copyDisk(record.dir, folder);
      } finally {
        await thawBox(record.box);
      }
      this.#options.events.add(record, 'checkpointed');
      await this.#options.save();
      return record;
    });
  }

  /** Kills a sandbox and removes its disk. Throws a 404. */
  kill(id: string): Promise<void> {
    return this.#withLock(id, (record) => this.#transitions.remove(record));
  }

  /** Kills all processes and boots again on the same disk, like a crash of the machine. Throws a 404. */
  restart(id: string): Promise<void> {
    return this.#withLock(id, async (record) => {
      if (record.state === 'paused') throw new ApiError(409, `Sandbox '${id}' is paused`);
      this.#restarting.add(id);
      await this.#transitions.restart(record).finally(() => this.#restarting.delete(id));
    });
  }

  /**
   * Sets the time-out to `timeoutMs` from now, longer or shorter. Throws a 404, also for a paused sandbox, or a 400 if the
   * sandbox has run for as long as it may.
   */
  async setTimeout(id: string, timeoutMs: number): Promise<void> {
    if (this.get(id).state === 'pausing') throw new ApiError(409, `Sandbox '${id}' is being paused`);
    await this.#withLock(id, async (record) => {
      if (record.state === 'paused') throw notFound(id);
      const end = this.#options.clock.now() + timeoutMs;
      await this.#transitions.setEnd(record, end);
      this.#options.events.add(record, 'updated', { set_timeout: new Date(record.endAt).toISOString() });
      await this.#options.save();
    });
  }

  /** Replaces the egress rules, effective at once. Throws a 404, or a 409 unless the sandbox runs. */
  async setNetwork(id: string, { allowInternetAccess, denyOut }: EgressUpdate): Promise<void> {
    const assertRuns = ({ state }: SandboxRecord) => {
      if (state !== 'running') throw new ApiError(409, `Sandbox '${id}' is not running`);
    };
    assertRuns(this.get(id));
    await this.#withLock(id, async (record) => {
      assertRuns(record);
      // The update replaces egress rules only; ingress settings stay.
      const { denyOut: _, ...kept } = record.network ?? {};
      const network = { ...kept, ...(denyOut ? { denyOut } : {}) };
      Object.assign(record, { allowInternetAccess, network: Object.keys(network).length ? network : null });
      this.#options.table.put(id, record);
      await this.#options.save();
      await this.#options.machines.applyHostPorts(record);
    });
  }

  /**
   * Returns the sandbox if it can take traffic, resumed if its settings allow; else undefined.
   * Throws a 409 if it is being killed, or a 429 if the limit of running sandboxes is reached.
   */
  async forTraffic(id: string): Promise<SandboxRecord | undefined> {
    // A transition in progress decides whether the sandbox can take traffic.
    await this.#locks.idle(id);
    try {
      const record = this.get(id);
      if (record.state === 'running') return record;
      if (!record.autoResume || !record.box) return undefined;
      await this.connect(id, Math.max(AUTO_RESUME_MS, record.timeoutMs));
      return this.get(id);
    } catch (error) {
      if (error instanceof ApiError && error.status !== 404) throw error;
      return undefined;
    }
  }

  /** Takes over the sandboxes of an earlier process. */
  async adopt(): Promise<void> {
    for (const record of this.#options.table.values()) {
      await this.#transitions.adopt(record);
      this.#options.log(`sandbox ${record.id} found again, ${record.state}`);
    }
    await this.#options.save();
  }

  /** Clears the timers, and kills all sandboxes unless `keep`. */
  async close(keep: boolean): Promise<void> {
    this.#timers.disarmAll();
    await this.#locks.allIdle();
    if (keep) return;
    await Promise.all(this.#options.table.values().map((record) => this.#transitions.remove(record)));
  }

  /** Calls `work` under the sandbox's lock. Throws a 404 if the sandbox is missing before or after waiting for it. */
  async #withLock<T>(id: string, work: (record: SandboxRecord) => Promise<T>): Promise<T> {
    this.get(id);
    return this.#locks.run(id, () => work(this.get(id)));
  }

  async #pause(record: SandboxRecord, memory: boolean): Promise<void> {
    await this.#transitions.pause(record, memory);
    // The answer does not wait for the copy; later work on this sandbox does, unless it is queued already.
    this.#locks
      .run(record.id, () => this.#transitions.keep(record))
      .catch((error: Error) => this.#options.log(`the disk of ${record.id} was not kept: ${error.message}`));
  }

  async #resume(record: SandboxRecord, timeoutMs: number, how: Resume): Promise<void> {
    this.#assertBelowLimit();
    await this.#transitions.resume(record, timeoutMs, how);
  }

  async #extend(record: SandboxRecord, timeoutMs: number): Promise<void> {
    const wanted = this.#options.clock.now() + timeoutMs;
    await this.#transitions.setEnd(record, Math.max(record.endAt, wanted));
  }

  #expire(id: string): void {
    const { table, clock, log } = this.#options;
    this.#locks
      .run(id, async () => {
        const record = table.get(id);
        if (record?.state !== 'running' || record.endAt > clock.now()) return;
        if (record.onTimeout === 'pause') await this.#pause(record, record.keepMemory);
        else await this.#transitions.restoreLastPause(record);
      })
      .catch((error: Error) => log(`sandbox ${id} could not be ended on time: ${error.message}`));
  }

  #assertBelowLimit(): void {
    const limit = this.#options.switches.number('concurrent-sandboxes');
    const running = this.#options.table
      .values()
      .filter(({ state }) => state === 'running' || state === 'starting' || state === 'pausing');
    if (limit === 0 || running.length < limit) return;
    throw new ApiError(429, `you have reached the maximum number of concurrent sandboxes (${limit})`);
  }
}

function hasEnded({ state, box }: SandboxRecord): boolean {
  return state === 'running' && box !== undefined && !isBoxAlive(box);
}
