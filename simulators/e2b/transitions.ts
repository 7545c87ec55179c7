/** How a sandbox gets from one state to the next. Whoever calls holds its lock and has checked that it may. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../common/clock.ts';
import type { Table } from '../common/store.ts';
import type { Switches } from '../common/switches.ts';
import type { ExpiryTimers } from './expiry.ts';
import { freezeBox, isBoxAlive, removeBox, stopBox, thawBox } from './isolation/box.ts';
import { copyDisk, keepDisk, keptDisk } from './isolation/disk.ts';
import type { Machines } from './machines.ts';
import type { SandboxRecord } from './record.ts';
import { placeForRemoved } from './removed-disk.ts';
import type { SwitchName } from './switches.ts';

export interface TransitionsOptions {
  table: Table<SandboxRecord>;
  save(): Promise<void>;
  clock: Clock;
  switches: Switches<SwitchName>;
  machines: Machines;
  timers: ExpiryTimers;
  /** Whether a fault rule may bring back an older disk. */
  mayLoseState(): boolean;
  /** Folder for the disks of sandboxes that are gone, where they are kept. */
  removedFolder: string;
  /** Cuts all connections into a sandbox. */
  cut(sandboxId: string): void;
}

/** With its processes, with its files only, or with the files that it had at the pause before. */
export type Resume = 'memory' | 'reboot' | 'old-files';

export class Transitions {
  readonly #options: TransitionsOptions;

  constructor(options: TransitionsOptions) {
    this.#options = options;
  }

  /** Boots a new sandbox, on a copy of `disk` if that is given; nothing is left of it if that fails. */
  async start(record: SandboxRecord, disk?: string): Promise<void> {
    const { save, switches, machines } = this.#options;
    await save();
    await delay(switches.number('create-delay-ms'));
    try {
      if (disk) await copyDisk(disk, record.dir);
      await machines.boot(record);
    } catch (error) {
      await this.remove(record);
      throw error;
    }
    await this.#run(record, record.timeoutMs);
  }

  /** Freezes, or powers off without `memory`. A pause that fails leaves the sandbox running. */
  async pause(record: SandboxRecord, memory: boolean): Promise<void> {
    const { switches, cut, timers } = this.#options;
    record.state = 'pausing';
    try {
      await delay(switches.number('pause-delay-ms'));
      if (record.box && memory) await freezeBox(record.box);
      else await this.#powerOff(record);
    } catch (error) {
      record.state = 'running';
      throw error;
    }
    timers.disarm(record.id);
    record.state = 'paused';
    await this.#put(record);
    cut(record.id);
  }

  /** Keeps a copy of the disk of a paused sandbox where something may bring it back; see `pause-snapshots`. */
  async keep(record: SandboxRecord): Promise<void> {
    const wanted = this.#options.switches.get('pause-snapshots');
    const needed = record.onTimeout === 'kill' || this.#options.mayLoseState();
    if (record.state === 'paused' && (wanted === 'always' || (wanted === 'as-needed' && needed)))
      await keepDisk(record.dir);
  }

  async resume(record: SandboxRecord, timeoutMs: number, how: Resume): Promise<void> {
    const { machines, switches, clock } = this.#options;
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
    record.startedAt = clock.now();
    await this.#run(record, timeoutMs);
  }

  /** Kills all processes and boots again on the same disk. */
  async restart(record: SandboxRecord): Promise<void> {
    this.#options.cut(record.id);
    await this.#options.machines.reboot(record);
    // Its processes are others now: whoever takes over after a crash has to know them.
    await this.#put(record);
  }

  /** Ends a sandbox of which the snapshot of its latest pause remains, as a paused one; without it, nothing does. */
  async fallBack(record: SandboxRecord): Promise<void> {
    const { switches, timers, cut } = this.#options;
    const older = keptDisk(record.dir, 'latest');
    if (!older || switches.get('pause-snapshots') === 'never') return this.remove(record);
    timers.disarm(record.id);
    cut(record.id);
    await this.#powerOff(record);
    await copyDisk(older, record.dir);
    record.state = 'paused';
    await this.#put(record);
  }

  async setEnd(record: SandboxRecord, endAt: number): Promise<void> {
    record.endAt = endAt;
    this.#options.timers.arm(record);
    await this.#put(record);
  }

  /** Ends a sandbox and removes everything of it. */
  async remove(record: SandboxRecord): Promise<void> {
    const { table, save, machines, timers, cut, clock, switches, removedFolder } = this.#options;
    timers.disarm(record.id);
    record.state = 'killing';
    await this.#put(record);
    cut(record.id);
    await machines.closePorts(record);
    const kept = switches.get('removed-disks') === 'kept';
    const keepAt = kept ? await placeForRemoved(record, removedFolder, clock.now()) : undefined;
    await removeBox(record.dir, record.groups, record.box, keepAt);
    table.delete(record.id);
    await save();
  }

  /** Takes over a sandbox that an earlier process left: it goes on, or is removed if it was cut off or has died. */
  async adopt(record: SandboxRecord): Promise<void> {
    const { table, machines, timers } = this.#options;
    const { state, box } = record;
    const alive = box && isBoxAlive(box);
    // Whoever built in it is gone.
    const lost = (state === 'running' && !alive) || record.hidden === true;
    if (state === 'starting' || state === 'killing' || lost || (state === 'pausing' && !alive))
      return this.remove(record);
    if (!alive) delete record.box;
    else if (state === 'paused') await freezeBox(box);
    else await thawBox(box);
    // A pause that was cut off did not happen.
    if (state === 'pausing') table.put(record.id, Object.assign(record, { state: 'running' }));
    if (alive) await machines.adopt(record);
    timers.arm(record);
  }

  async #powerOff(record: SandboxRecord): Promise<void> {
    if (!record.box) return;
    await stopBox(record.box);
    await this.#options.machines.closePorts(record);
    delete record.box;
  }

  async #run(record: SandboxRecord, timeoutMs: number): Promise<void> {
    record.state = 'running';
    await this.setEnd(record, this.#options.clock.now() + timeoutMs);
  }

  async #put(record: SandboxRecord): Promise<void> {
    this.#options.table.put(record.id, record);
    await this.#options.save();
  }
}
