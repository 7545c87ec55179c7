/** State transitions of a sandbox. The caller holds its lock and has checked that the transition is allowed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../common/clock.ts';
import type { Table } from '../common/store.ts';
import type { Switches } from '../common/switches.ts';
import { ApiError } from './api-error.ts';
import type { ExpiryTimers } from './expiry.ts';
import { freezeBox, isBoxAlive, removeBox, stopBox, thawBox } from './isolation/box.ts';
import { copyDisk, keepDisk, keptDisk } from './isolation/disk.ts';
import type { LifecycleEvents } from './lifecycle-events.ts';
import type { Machines } from './machines.ts';
import type { SandboxRecord } from './record.ts';
import { prepareRemovedDisk } from './removed-disk.ts';
import type { SwitchName } from './switches.ts';

export interface TransitionsOptions {
  table: Table<SandboxRecord>;
  save(): Promise<void>;
  clock: Clock;
  switches: Switches<SwitchName>;
  machines: Machines;
  timers: ExpiryTimers;
  events: LifecycleEvents;
  /** Whether a fault rule may restore an older disk. */
  mayLoseState(): boolean;
  /** Folder for the disks of removed sandboxes, if they are kept. */
  removedFolder: string;
  /** Closes all connections into a sandbox. */
  cutConnections(sandboxId: string): void;
}

/** Resume with processes, with files only, or with the files of the previous pause. */
export type Resume = 'memory' | 'reboot' | 'old-files';

export class Transitions {
  readonly #options: TransitionsOptions;

  constructor(options: TransitionsOptions) {
    this.#options = options;
  }

  /** Boots a new sandbox, on a copy of `disk` if given. If that fails, removes it completely. */
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
    this.#options.events.add(record, 'created');
    await this.#run(record, record.timeoutMs);
  }

  /** Freezes the sandbox, or powers it off without `memory`. If that fails, the sandbox keeps running. */
  async pause(record: SandboxRecord, memory: boolean): Promise<void> {
    const { switches, cutConnections, timers, events } = this.#options;
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
    events.addEnd(record, 'paused');
    await this.#put(record);
    cutConnections(record.id);
  }

  /** Keeps a copy of a paused sandbox's disk if it may be restored later; see the switch `pause-snapshots`. */
  async keep(record: SandboxRecord): Promise<void> {
    const wanted = this.#options.switches.get('pause-snapshots');
    const needed = record.onTimeout === 'kill' || this.#options.mayLoseState();
    if (record.state === 'paused' && (wanted === 'always' || (wanted === 'as-needed' && needed)))
      await keepDisk(record.dir);
  }

  async resume(record: SandboxRecord, timeoutMs: number, how: Resume): Promise<void> {
    const { machines, switches, clock, events } = this.#options;
    await delay(switches.number('resume-delay-ms'));
    const older = how === 'old-files' ? keptDisk(record.dir, 'previous') : undefined;
    if (older) {
      await this.#powerOff(record);
      await copyDisk(older, record.dir);
    }
    const keepsMemory = how !== 'reboot' && switches.get('resume') === 'memory';
    if (record.box && keepsMemory && isBoxAlive(record.box)) {
      await thawBox(record.box);
      await machines.sendHostPorts(record);
    } else await machines.reboot(record);
    record.startedAt = clock.now();
    events.add(record, 'resumed');
    await this.#run(record, timeoutMs);
  }

  /** Kills all processes and boots again on the same disk. */
  async restart(record: SandboxRecord): Promise<void> {
    this.#options.cutConnections(record.id);
    await this.#options.machines.reboot(record);
    // A simulator that takes over after a crash must know the new processes.
    await this.#put(record);
  }

  /** Restores the disk of the latest pause and leaves the sandbox paused; without such a disk, removes the sandbox. */
  async restoreLastPause(record: SandboxRecord): Promise<void> {
    const { switches, timers, cutConnections, events } = this.#options;
    const older = keptDisk(record.dir, 'latest');
    if (!older || switches.get('pause-snapshots') === 'never') return this.remove(record, 'timeout');
    timers.disarm(record.id);
    cutConnections(record.id);
    await this.#powerOff(record);
    await copyDisk(older, record.dir);
    if (record.state !== 'paused') events.addEnd(record, 'paused');
    record.state = 'paused';
    await this.#put(record);
  }

  /** Ends the run then, or when it has lasted as long as a run may. Throws a 400 if that is over already. */
  async setEnd(record: SandboxRecord, endAt: number): Promise<void> {
    const { switches, clock } = this.#options;
    const latest = record.startedAt + switches.number('longest-run-seconds') * 1000;
    if (latest <= clock.now()) throw new ApiError(400, 'Max instance length exceeded');
    record.endAt = Math.min(endAt, latest);
    this.#options.timers.arm(record);
    await this.#put(record);
  }

  /** Kills a sandbox and removes its files. */
  async remove(record: SandboxRecord, reason: 'request' | 'timeout' = 'request'): Promise<void> {
    const { table, save, machines, timers, cutConnections, clock, switches, removedFolder, events } =
      this.#options;
    timers.disarm(record.id);
    // A paused sandbox has no run to report, and the client never had a sandbox that did not start.
    if (record.state === 'paused') events.add(record, 'killed', { kill_reason: reason });
    else if (record.state === 'running' || record.state === 'pausing')
      events.addEnd(record, 'killed', { kill_reason: reason });
    record.state = 'killing';
    await this.#put(record);
    cutConnections(record.id);
    await machines.closePorts(record);
    const kept = switches.get('removed-disks') === 'kept';
    const keepAt = kept ? await prepareRemovedDisk(record, removedFolder, clock.now()) : undefined;
    await removeBox(record.dir, record.groups, record.box, keepAt);
    table.delete(record.id);
    await save();
  }

  /** Takes over a sandbox of an earlier process; removes it if it is dead or its start or kill was interrupted. */
  async adopt(record: SandboxRecord): Promise<void> {
    const { table, machines, timers } = this.#options;
    const { state, box } = record;
    const alive = box && isBoxAlive(box);
    // The build of a hidden sandbox ended with the earlier process.
    const lost = (state === 'running' && !alive) || record.hidden === true;
    if (state === 'starting' || state === 'killing' || lost || (state === 'pausing' && !alive))
      return this.remove(record);
    if (!alive) delete record.box;
    else if (state === 'paused') await freezeBox(box);
    else await thawBox(box);
    // An interrupted pause did not happen.
    if (state === 'pausing') table.put(record.id, Object.assign(record, { state: 'running' }));
    if (alive) await machines.applyHostPorts(record);
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
