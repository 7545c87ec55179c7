/** The state of the simulator: its records and their tables, the clock, the switches and the faults. */
import { join } from 'node:path';
import { Blobs } from '../common/blobs.ts';
import { Clock, type ClockState } from '../common/clock.ts';
import { Faults } from '../common/faults.ts';
import { Store, type Table } from '../common/store.ts';
import { Switches } from '../common/switches.ts';
import type {
  AttachedStore,
  MemoryRecord,
  MemoryStoreRecord,
  MemoryVersionRecord,
  SkillRecord,
  SkillReference,
  SkillVersionRecord,
} from './resource-records.ts';
import type { Step } from './script.ts';
import { SWITCHES, type SwitchName } from './switches.ts';

export interface EnvironmentRecord {
  id: string;
  type: 'environment';
  name: string;
  description: string | null;
  config: { type: string } & Record<string, unknown>;
  metadata: Record<string, string>;
  scope: string;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
}

/** An agent with all its versions; the last one is current. */
export interface AgentRecord {
  id: string;
  archived_at: string | null;
  created_at: string;
  versions: AgentVersion[];
}

export interface AgentVersion {
  version: number;
  updated_at: string;
  name: string;
  description: string | null;
  model: Record<string, unknown>;
  system: string | null;
  tools: Record<string, unknown>[];
  skills: SkillReference[];
  mcp_servers: unknown[];
  metadata: Record<string, string>;
}

export type CallKind = 'agent.tool_use' | 'agent.custom_tool_use' | 'agent.mcp_tool_use';

/** A tool call of the current round. An `open` call waits for its result. */
export interface CallRecord {
  id: string;
  kind: CallKind;
  /** Whether the service itself runs it: a client may confirm such a call, but cannot answer it. */
  serverSide: boolean;
  state: 'awaiting-approval' | 'open' | 'answered';
  /** Id of the event that answered it. */
  resultId: string | null;
  /** The service's answer from the script. */
  scripted?: { text: string; isError: boolean };
}

/**
 * A turn in progress. Its phase is what it waits for: `model`: the next step of the model, `calls`: answers,
 * `threads`: child threads, `budget`: a higher budget.
 */
export interface TurnRecord {
  /** Remaining steps of the script. */
  steps: Step[];
  phase: 'model' | 'calls' | 'threads' | 'budget';
  calls: CallRecord[];
}

/** A child thread of a session. The primary thread has no record: it is the session itself. */
export interface ThreadRecord {
  id: string;
  name: string;
  status: 'running' | 'idle' | 'rescheduling' | 'terminated';
  /** Id of the workflow run that the thread belongs to. */
  workflowRunId?: string;
  /** Whether it terminates after its turn. */
  terminates: boolean;
  turn: TurnRecord | null;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
}

/** Budget and usage of a session. Money is in US cents. */
export interface Spending {
  budgetCents: number | null;
  /** Whether the session was created with a budget: only then can it be changed. */
  hadBudget: boolean;
  cents: number;
  inputTokens: number;
  outputTokens: number;
}

export interface SessionRecord {
  id: string;
  /** Id of the primary thread. */
  threadId: string;
  environment_id: string;
  agent: { id: string } & AgentVersion;
  title: string | null;
  metadata: Record<string, string>;
  vault_ids: string[];
  resources: AttachedStore[];
  status: 'idle' | 'running' | 'rescheduling' | 'terminated';
  created_at: string;
  updated_at: string;
  archived_at: string | null;
  turn: TurnRecord | null;
  children: ThreadRecord[];
  /** The calls of the last `requires_action`; an unchanged list is not announced again. */
  announced: string;
  spending: Spending;
  /** User messages that arrived during the current turn; `id` is that of the event. */
  waiting: { id: string; text: string }[];
}

/** An event of a session as the API shows it. */
export interface SessionEvent {
  id: string;
  type: string;
  processed_at: string | null;
  [field: string]: unknown;
}

/** `seq` orders the events of all sessions; processing an event moves it to the end. */
export interface EventRecord {
  session: string;
  seq: number;
  /** Id of the child thread that the event belongs to; absent for the primary thread. */
  thread?: string;
  /** Whether the primary stream shows the event, too. */
  crossPosted?: boolean;
  event: SessionEvent;
}

export type WorkState = 'queued' | 'starting' | 'active' | 'stopping' | 'stopped';

export interface WorkRecord {
  id: string;
  environment_id: string;
  state: WorkState;
  data: { type: 'session' | 'healthcheck'; id: string };
  metadata: Record<string, string>;
  created_at: string;
  acknowledged_at: string | null;
  started_at: string | null;
  latest_heartbeat_at: string | null;
  stop_requested_at: string | null;
  stopped_at: string | null;
  /** When a poll last returned it, in milliseconds of the clock. */
  deliveredAt: number | null;
  /** The value that the next heartbeat has to send. */
  heartbeat: string | null;
  ttlSeconds: number;
  /** Whether its lease has expired and no worker has taken it since. */
  lapsed: boolean;
}

export interface TokenRecord {
  environment_id: string;
  session: string;
  expiresAt: number;
}

export interface EndpointRecord {
  id: string;
  url: string | null;
  types: string[];
  secret: string;
  disabled: string | null;
}

export interface DeliveryRecord {
  id: string;
  endpoint: string;
  event: string;
  type: string;
  body: string;
  attempts: number;
  dueAt: number;
  state: 'pending' | 'delivered' | 'failed' | 'lost';
  lastStatus: string | null;
  /** How a fault spoils the first attempt: not sent, or sent without an answer. */
  firstAttempt: 'unsent' | 'unanswered' | null;
}

export interface Identity {
  apiKey: string;
  adminToken: string;
  /** Id of the key, recorded in the memory versions that it creates. */
  apiKeyId: string;
  environmentId: string;
  environmentKey: string;
  agentId: string;
  endpointId: string;
  organizationId: string;
  workspaceId: string;
}

export class State {
  readonly clock: Clock;
  readonly switches = new Switches<SwitchName>(SWITCHES);
  readonly faults = new Faults();
  readonly store: Store;
  readonly settings: Table<unknown>;
  readonly environments: Table<EnvironmentRecord>;
  readonly agents: Table<AgentRecord>;
  readonly sessions: Table<SessionRecord>;
  readonly events: Table<EventRecord>;
  readonly work: Table<WorkRecord>;
  /** Environment keys by their text; the value is the environment's id. */
  readonly keys: Table<string>;
  readonly tokens: Table<TokenRecord>;
  readonly endpoints: Table<EndpointRecord>;
  readonly deliveries: Table<DeliveryRecord>;
  readonly skills: Table<SkillRecord>;
  readonly skillVersions: Table<SkillVersionRecord>;
  readonly memoryStores: Table<MemoryStoreRecord>;
  readonly memories: Table<MemoryRecord>;
  readonly memoryVersions: Table<MemoryVersionRecord>;
  readonly blobs: Blobs;

  private constructor(store: Store, blobs: Blobs) {
    this.store = store;
    this.blobs = blobs;
    this.settings = store.table('settings');
    this.clock = new Clock(this.settings.get('clock') as ClockState | undefined);
    this.switches.patch((this.settings.get('switches') as Record<string, unknown> | undefined) ?? {});
    this.environments = store.table('environments');
    this.agents = store.table('agents');
    this.sessions = store.table('sessions');
    this.events = store.table('events');
    this.work = store.table('work');
    this.keys = store.table('keys');
    this.tokens = store.table('tokens');
    this.endpoints = store.table('endpoints');
    this.deliveries = store.table('deliveries');
    this.skills = store.table('skills');
    this.skillVersions = store.table('skill_versions');
    this.memoryStores = store.table('memory_stores');
    this.memories = store.table('memories');
    this.memoryVersions = store.table('memory_versions');
  }

  /** Opens the state in a folder, with everything saved there before. */
  static async open(dir: string): Promise<State> {
    const blobs = await Blobs.open(join(dir, 'anthropic-blobs'));
    return new State(await Store.open(join(dir, 'anthropic.jsonl')), blobs);
  }

  /** Saves the clock and the switches for the next start. */
  async saveSettings(): Promise<void> {
    this.settings.put('clock', this.clock.state());
    this.settings.put('switches', this.switches.all());
    await this.store.save();
  }

  async close(): Promise<void> {
    this.clock.close();
    await this.store.close();
  }
}
