/** The lifecycle events of sandboxes, which the service keeps for seven days. */
import { createHash, randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Clock } from '../common/clock.ts';
import type { Table } from '../common/store.ts';
import { LIMITS } from './machines.ts';
import type { SandboxRecord } from './record.ts';

type Label = 'created' | 'killed' | 'updated' | 'paused' | 'resumed' | 'checkpointed';

export interface LifecycleEvent {
  id: string;
  version: 'v2';
  type: `sandbox.lifecycle.${Label}`;
  /** RFC 3339 */
  timestamp: string;
  event_category: 'lifecycle';
  event_label: Label;
  event_data: Record<string, unknown>;
  sandbox_id: string;
  /** Another one after each resume. */
  sandbox_execution_id: string;
  sandbox_template_id: string;
  sandbox_build_id: string;
  sandbox_team_id: string;
}

export interface EventQuery {
  sandboxId?: string;
  /** Empty: all. */
  types: readonly string[];
  offset: number;
  limit: number;
  ascending: boolean;
}

interface LifecycleEventsOptions {
  /** Saved by the caller, together with the change that the event is about. */
  table: Table<LifecycleEvent>;
  clock: Clock;
  templateId(record: SandboxRecord): string;
}

const RETENTION_MS = 7 * 24 * 3_600_000;
const TEAM = 'local';
const MIB = 1024 * 1024;

export class LifecycleEvents {
  readonly #options: LifecycleEventsOptions;

  constructor(options: LifecycleEventsOptions) {
    this.#options = options;
  }

  add(record: SandboxRecord, label: Label, data: Record<string, unknown> = {}): void {
    // The sandboxes of template builds are not the team's.
    if (record.hidden) return;
    const { table, clock, templateId } = this.#options;
    this.#dropOld();
    const id = randomUUID();
    table.put(id, {
      id,
      version: 'v2',
      type: `sandbox.lifecycle.${label}`,
      timestamp: clock.iso(),
      event_category: 'lifecycle',
      event_label: label,
      event_data: { sandbox_metadata: record.metadata, ...data },
      sandbox_id: record.id,
      sandbox_execution_id: executionId(record),
      sandbox_template_id: templateId(record),
      sandbox_build_id: record.buildId,
      sandbox_team_id: TEAM,
    });
  }

  /** An event that ends a run of the sandbox, with the run's length and size. */
  addEnd(record: SandboxRecord, label: 'paused' | 'killed', data: Record<string, unknown> = {}): void {
    const execution = {
      started_at: new Date(record.startedAt).toISOString(),
      vcpu_count: availableParallelism(),
      memory_mb: LIMITS.memoryBytes / MIB,
      execution_time: this.#options.clock.now() - record.startedAt,
    };
    this.add(record, label, { ...data, execution });
  }

  read({ sandboxId, types, offset, limit, ascending }: EventQuery): LifecycleEvent[] {
    this.#dropOld();
    const matching = this.#options.table
      .values()
      .filter(({ sandbox_id }) => sandboxId === undefined || sandbox_id === sandboxId)
      .filter(({ type }) => types.length === 0 || types.includes(type));
    if (!ascending) matching.reverse();
    return matching.slice(offset, offset + limit);
  }

  #dropOld(): void {
    const { table, clock } = this.#options;
    const oldest = new Date(clock.now() - RETENTION_MS).toISOString();
    for (const { id, timestamp } of table.values()) {
      if (timestamp >= oldest) return;
      table.delete(id);
    }
  }
}

function executionId({ id, startedAt }: SandboxRecord): string {
  const hash = createHash('sha256').update(`${id} ${startedAt}`).digest('hex');
  return [8, 12, 16, 20, 32].map((end, index) => hash.slice([0, 8, 12, 16, 20][index], end)).join('-');
}
