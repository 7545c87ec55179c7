/** The sandboxes and their life: running, paused, gone; by request, by time and by traffic. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, ClockTimer } from '../common/clock.ts';
import type { Table } from '../common/store.ts';
import type { Switches } from '../common/switches.ts';
import { ApiError, notFound } from './api-error.ts';
import { freezeBox, isBoxAlive, planBox, removeBox, stopBox, thawBox } from './isolation/box.ts';
import { copyDisk, keepDisk, keptDisk } from './isolation/disk.ts';
import type { Machines } from './machines.ts';
import type { NewSandbox, SandboxRecord } from './record.ts';
import type { SwitchName } from './switches.ts';

export interface SandboxesOptions {
  table: Table<SandboxRecord>;
  save(): Promise<void>;
  clock: Clock;
  switches: Switches<SwitchName>;
  machines: Machines;
  /** Folder for the sandboxes' folders. */
  folder: string;
  /** Whether a fault rule may bring back an older disk. */
  mayLoseState(): boolean;
  /** Folder for the disks of sandboxes that are gone, where they are kept. */
  removedFolder: string;
  /** Cuts all connections into a sandbox. */
  cut(sandboxId: string): void;
  log(message: string): void;
}

/** With its processes, with its files only, or with the files that it had at the pause before. */
export type Resume = 'memory' | 'reboot' | 'old-files';

/** A sandbox that traffic wakes runs at least this long. */
const AUTO_RESUME_MS = 300_000;

export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #locks = new Map<string, Promise<unknown>>();
  readonly #pausing = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, ClockTimer>();

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  /** Resolves when the sandbox runs and its template is ready. `disk` is a folder whose disk it starts with. */
  async create(wanted: NewSandbox, disk?: string): Promise<SandboxRecord> {
    const { table, clock, switches, machines, folder } = this.#options;
    this.#assertRoom();
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
    return this.#locked(id, async () => {
      await this.#options.save();
      await delay(switches.number('create-delay-ms'));
      try {
        if (disk) await copyDisk(disk, dir);
        await machines.boot(record);
      } catch (error) {
        await this.#remove(record);
        throw error;
      }
      await this.#nowRunning(record, wanted.timeoutMs);
      return record;
    });
  }

  /** Throws a 404 for a sandbox that is unknown, gone or not yet there. */
  get(id: string): SandboxRecord {
    const record = this.#options.table.get(id);
    if (!record || record.state === 'starting' || record.state === 'killing') throw notFound(id);
    if (record.state === 'running' && record.box && !isBoxAlive(record.box)) {
      this.#options.log(`sandbox ${id} ended by itself`);
      void this.#locked(id, () => this.#remove(record));
      throw notFound(id);
    }
    return record;
  }

  list(): SandboxRecord[] {
    return this.#options.table.values().filter(({ state }) => state !== 'starting' && state !== 'killing');
  }

  /**
   * Resumes, or extends the life of a running sandbox; never shortens it. A pause that is under way comes first.
   * Throws a 404, a 409 if the sandbox is being killed, a 429 if as many run as may.
   */
  connect(
    id: string,
    timeoutMs: number,
    how: Resume = 'memory',
  ): Promise<{ record: SandboxRecord; resumed: boolean }> {
    if (this.#options.table.get(id)?.state === 'killing')
      throw new ApiError(409, `Sandbox '${id}' is being killed`);
    this.get(id);
    return this.#locked(id, async () => {
      const record = this.get(id);
      const resumed = record.state === 'paused';
      if (resumed) await this.#resume(record, timeoutMs, how);
      else await this.#setEnd(record, Math.max(record.endAt, this.#options.clock.now() + timeoutMs));
      return { record, resumed };
    });
  }

  /** Resumes a paused sandbox. Throws a 404, a 409 if it runs, a 429 if as many run as may. */
  async resume(id: string, timeoutMs: number, autoPause?: boolean): Promise<SandboxRecord> {
    this.get(id);
    return this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state !== 'paused') throw new ApiError(409, `Sandbox '${id}' is already running`);
      await this.#resume(record, timeoutMs, 'memory');
      if (autoPause !== undefined) {
        record.onTimeout = autoPause ? 'pause' : 'kill';
        this.#options.table.put(id, record);
        await this.#options.save();
      }
      return record;
    });
  }

  /** Extends the life of a running sandbox; never shortens it. Throws a 404, also when paused. */
  async refresh(id: string, durationMs: number): Promise<void> {
    this.get(id);
    await this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state === 'paused') throw notFound(id);
      await this.#setEnd(record, Math.max(record.endAt, this.#options.clock.now() + durationMs));
    });
  }

  /** Resolves when the sandbox is paused; a second call meanwhile shares the first. Throws a 409 if it was. */
  pause(id: string, memory = true): Promise<void> {
    this.get(id);
    const running = this.#pausing.get(id);
    if (running) return running;
    const pausing = this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state === 'paused') throw new ApiError(409, `Sandbox '${id}' is already paused`);
      await this.#pause(record, memory);
    }).finally(() => this.#pausing.delete(id));
    this.#pausing.set(id, pausing);
    return pausing;
  }

  /** A pause that goes wrong: the sandbox is left as its pause before was, or not at all. Throws a 500, or a 404. */
  async failPause(id: string): Promise<never> {
    this.get(id);
    await this.#locked(id, () => this.#fallBack(this.get(id)));
    throw new ApiError(500, `Error pausing sandbox '${id}'`, 'internal_server_error');
  }

  /** Copies the disk of a running sandbox, whose processes stand still meanwhile. Throws a 404, a 409 if paused. */
  async snapshot(id: string, folder: string): Promise<SandboxRecord> {
    this.get(id);
    return this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state !== 'running' || !record.box) throw new ApiError(409, `Sandbox '${id}' is paused`);
      await freezeBox(record.box);
      try {
        await copyDisk(record.dir, folder);
      } finally {
        await thawBox(record.box);
      }
      return record;
    });
  }

  /** Ends a sandbox and removes everything of it. Throws a 404. */
  async kill(id: string): Promise<void> {
    this.get(id);
    await this.#locked(id, () => this.#remove(this.get(id)));
  }

  /** Kills all processes and boots again on the same disk, as after a crash of the machine. Throws a 404. */
  async restart(id: string): Promise<void> {
    this.get(id);
    await this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state === 'paused') throw new ApiError(409, `Sandbox '${id}' is paused`);
      this.#options.cut(id);
      await this.#options.machines.reboot(record);
      // Its processes are others now: whoever takes over after a crash has to know them.
      this.#options.table.put(id, record);
      await this.#options.save();
    });
  }

  /** Sets the end to `timeoutMs` from now, sooner or later than it was. Throws a 404, also when paused. */
  async setTimeout(id: string, timeoutMs: number): Promise<void> {
    if (this.get(id).state === 'pausing') throw new ApiError(409, `Sandbox '${id}' is being paused`);
    await this.#locked(id, async () => {
      const record = this.get(id);
      if (record.state === 'paused') throw notFound(id);
      await this.#setEnd(record, this.#options.clock.now() + timeoutMs);
    });
  }

  /** Replaces what it is told of the network. Throws a 404, a 409 unless it runs. */
  async setNetwork(
    id: string,
    network: Pick<SandboxRecord, 'network' | 'allowInternetAccess'>,
  ): Promise<void> {
    if (this.get(id).state !== 'running') throw new ApiError(409, `Sandbox '${id}' is not running`);
    this.#options.table.put(id, Object.assign(this.get(id), network));
    await this.#options.save();
  }

  /** The sandbox if it can take traffic now, resumed by it if it was created so; else undefined. */
  async forTraffic(id: string): Promise<SandboxRecord | undefined> {
    // A transition that is under way decides first.
    await this.#locks.get(id);
    try {
      const record = this.get(id);
      if (record.state === 'running') return record;
      if (!record.autoResume || !record.box) return undefined;
      await this.connect(id, Math.max(AUTO_RESUME_MS, record.timeoutMs));
      return this.get(id);
    } catch {
      return undefined;
    }
  }

  /** Takes over what an earlier process left: what runs goes on, what was cut off or has died is removed. */
  async adopt(): Promise<void> {
    for (const record of this.#options.table.values()) {
      const { state, box } = record;
      const alive = box && isBoxAlive(box);
      const lost = state === 'running' && !alive;
      if (state === 'starting' || state === 'killing' || lost || (state === 'pausing' && !alive)) {
        await this.#remove(record);
        continue;
      }
      if (!alive) delete record.box;
      else if (state === 'paused') await freezeBox(box);
      else await thawBox(box);
      // A pause that was cut off did not happen.
      if (state === 'pausing')
        this.#options.table.put(record.id, Object.assign(record, { state: 'running' }));
      if (alive) await this.#options.machines.adopt(record);
      this.#arm(record);
      this.#options.log(`sandbox ${record.id} taken over, ${state}`);
    }
    await this.#options.save();
  }

  /** Stops watching; kills all sandboxes unless they are to be kept. */
  async close(keep: boolean): Promise<void> {
    for (const timer of this.#timers.values()) timer.clear();
    this.#timers.clear();
    await Promise.allSettled([...this.#locks.values()]);
    if (!keep) await Promise.all(this.#options.table.values().map((record) => this.#remove(record)));
  }

  async #pause(record: SandboxRecord, memory: boolean): Promise<void> {
    const { switches, save, cut } = this.#options;
    record.state = 'pausing';
    try {
      await delay(switches.number('pause-delay-ms'));
      if (record.box && memory) await freezeBox(record.box);
      else await this.#powerOff(record);
    } catch (error) {
      record.state = 'running';
      throw error;
    }
    this.#timers.get(record.id)?.clear();
    record.state = 'paused';
    this.#options.table.put(record.id, record);
    await save();
    cut(record.id);
    // What comes next waits for the copy, the answer does not; what was asked for meanwhile goes first.
    if (this.#keepsDisk(record)) {
      const keep = async () => (record.state === 'paused' ? keepDisk(record.dir) : undefined);
      this.#locked(record.id, keep).catch((error: Error) =>
        this.#options.log(`the disk of ${record.id} was not kept: ${error.message}`),
      );
    }
  }

  async #powerOff(record: SandboxRecord): Promise<void> {
    if (!record.box) return;
    await stopBox(record.box);
    await this.#options.machines.closePorts(record);
    delete record.box;
  }

  /** An older disk may come back after a fault, or after an end by time; see `pause-snapshots`. */
  #keepsDisk(record: SandboxRecord): boolean {
    const wanted = this.#options.switches.get('pause-snapshots');
    if (wanted !== 'as-needed') return wanted === 'always';
    return record.onTimeout === 'kill' || this.#options.mayLoseState();
  }

  /** Ends a sandbox of which the snapshot of its latest pause remains, as a paused one; without it, nothing does. */
  async #fallBack(record: SandboxRecord): Promise<void> {
    const older = keptDisk(record.dir, 'latest');
    if (!older || this.#options.switches.get('pause-snapshots') === 'never') return this.#remove(record);
    this.#timers.get(record.id)?.clear();
    this.#options.cut(record.id);
    await this.#powerOff(record);
    await copyDisk(older, record.dir);
    record.state = 'paused';
    this.#options.table.put(record.id, record);
    await this.#options.save();
  }

  async #resume(record: SandboxRecord, timeoutMs: number, how: Resume): Promise<void> {
    const { machines, switches } = this.#options;
    this.#assertRoom();
    await delay(switches.number('resume-delay-ms'));
    const older = how === 'old-files' ? keptDisk(record.dir, 'previous') : undefined;
    if (older) {
      await this.#powerOff(record);
      await copyDisk(older, record.dir);
    }
    const keepsMemory = how !== 'reboot' && switches.get('resume') === 'memory';
    if (record.box && keepsMemory && isBoxAlive(record.box)) {
      await thawBox(record.box);
      await machines.tellPorts(record);
    } else await machines.reboot(record);
    record.startedAt = this.#options.clock.now();
    await this.#nowRunning(record, timeoutMs);
  }

  async #nowRunning(record: SandboxRecord, timeoutMs: number): Promise<void> {
    record.state = 'running';
    await this.#setEnd(record, this.#options.clock.now() + timeoutMs);
  }

  async #setEnd(record: SandboxRecord, endAt: number): Promise<void> {
    record.endAt = endAt;
    this.#options.table.put(record.id, record);
    this.#arm(record);
    await this.#options.save();
  }

  #arm(record: SandboxRecord): void {
    this.#timers.get(record.id)?.clear();
    if (record.state !== 'running') return;
    const { clock } = this.#options;
    const expire = () => {
      this.#expire(record.id).catch((error: Error) =>
        this.#options.log(`sandbox ${record.id} could not be ended on time: ${error.message}`),
      );
    };
    this.#timers.set(record.id, clock.setTimeout(expire, record.endAt - clock.now()));
  }

  #expire(id: string): Promise<void> {
    return this.#locked(id, async () => {
      const record = this.#options.table.get(id);
      if (record?.state !== 'running' || record.endAt > this.#options.clock.now()) return;
      if (record.onTimeout === 'pause') await this.#pause(record, record.keepMemory);
      else await this.#fallBack(record);
    });
  }

  async #remove(record: SandboxRecord): Promise<void> {
    const { table, save, machines, cut } = this.#options;
    this.#timers.get(record.id)?.clear();
    this.#timers.delete(record.id);
    record.state = 'killing';
    table.put(record.id, record);
    await save();
    cut(record.id);
    await machines.closePorts(record);
    await removeBox(record.dir, record.groups, record.box, await this.#keptAt(record));
    table.delete(record.id);
    await save();
  }

  /** For whoever asks afterwards what a sandbox had done. Returns where its folder goes to; undefined: nowhere. */
  async #keptAt({ id, metadata, startedAt, dir }: SandboxRecord): Promise<string | undefined> {
    const { clock, removedFolder, switches } = this.#options;
    if (switches.get('removed-disks') !== 'kept') return undefined;
    await mkdir(removedFolder, { recursive: true, mode: 0o711 });
    const told = JSON.stringify({ id, metadata, startedAt, removedAt: clock.now() });
    // Without a folder there is nothing to tell of.
    await writeFile(join(dir, 'record.json'), told).catch(() => undefined);
    return join(removedFolder, id);
  }

  #assertRoom(): void {
    const limit = this.#options.switches.number('concurrent-sandboxes');
    const running = this.#options.table
      .values()
      .filter(({ state }) => state === 'running' || state === 'starting' || state === 'pausing');
    if (limit === 0 || running.length < limit) return;
    throw new ApiError(429, `you have reached the maximum number of concurrent sandboxes (${limit})`);
  }

  /** Transitions of one sandbox happen one after the other. */
  #locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#locks.get(id) ?? Promise.resolve()).then(work, work);
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        if (this.#locks.get(id) === settled) this.#locks.delete(id);
      });
    this.#locks.set(id, settled);
    return result;
  }
}
