// What is known of an environment without a worker: from its workflow's description and history, from visibility, and, with
// the environment's key, from the statistics of its work queue.
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { WorkflowNotFoundError } from '@temporalio/client';
import {
  ENVIRONMENT_WORKFLOW,
  EnvironmentIdAttribute,
  SESSION_WORKFLOW,
  SessionAttentionAttribute,
} from '../../../workflows/messages.ts';
import { createAnthropic } from '../../clients/anthropic.ts';
import { drainedSinceOf } from '../sessions/environment-evidence.ts';
import type { TemporalAccess } from '../temporal.ts';
import { listWorkflows } from '../visibility.ts';
import { failureText, millis, type Reconcile, readLastReconcile } from './history.ts';

/** All times are RFC 3339. */
export interface EnvironmentReport {
  environmentId: string;
  /** Whether its workflow runs. */
  running: boolean;
  /** A person has drained it then; null: it takes work. */
  drainedSince: string | null;
  queue: Queue | { unknown: string };
  watch: Watch;
  workers: { polling: number; lastSeenAt: string | null };
  lastReconcile: Reconcile | null;
  sessions: { running: number; needAttention: number | null };
}

export interface Queue {
  /** Items that wait. */
  depth: number;
  /** Items that were handed out and not acknowledged yet. */
  pending: number;
  oldestQueuedAt: string | null;
  /** Workers that have asked for work in the last 30 seconds; null where the service does not say. */
  workersPolling: number | null;
}

export interface Watch {
  state: 'polling' | 'waiting for a worker' | 'retrying' | 'not running';
  since: string | null;
  lastHeartbeatAt: string | null;
  /** Of the last attempt. */
  failure: string | null;
}

export interface EnvironmentAccess {
  id: string;
  key?: string | undefined;
  baseUrl?: string | undefined;
}

const STATS_TIMEOUT_MS = 10_000;
/** Temporal answers a worker's poll after at most a minute. */
const POLLS_EVERY_MS = 70_000;
/** `TASK_QUEUE_TYPE_WORKFLOW` and `PENDING_ACTIVITY_STATE_SCHEDULED` of Temporal's API. */
const WORKFLOW_TASKS = 1;
const SCHEDULED = 1;
const WATCH = 'watchQueue';

/** @returns null if Temporal has never seen the environment */
export async function reportOn(
  temporal: TemporalAccess,
  environment: EnvironmentAccess,
): Promise<EnvironmentReport | null> {
  const handle = temporal.client.workflow.getHandle(temporal.names.environmentWorkflowId(environment.id));
  const described = await handle.describe().catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  });
  if (!described) return null;
  const [queue, workers, lastReconcile, sessions] = await Promise.all([
    queueOf(environment),
    workersOf(temporal),
    readLastReconcile(temporal, handle.workflowId, described.runId),
    sessionsOf(temporal, environment.id),
  ]);
  const running = described.status.name === 'RUNNING';
  const watch = await watchOf(temporal, running ? (described.raw.pendingActivities ?? []) : []);
  const drainedSince = running ? drainedSinceOf(described.memo) : null;
  return {
    environmentId: environment.id,
    running,
    drainedSince,
    queue,
    watch,
    workers,
    lastReconcile,
    sessions,
  };
}

/** The environments whose workflows run. */
export async function runningEnvironments(temporal: TemporalAccess): Promise<string[]> {
  const { names } = temporal;
  const prefix = names.environmentWorkflowId('');
  const query = `WorkflowType = '${ENVIRONMENT_WORKFLOW}' AND TaskQueue = '${names.taskQueue}' AND ExecutionStatus = 'Running'`;
  const ids: string[] = [];
  for await (const { workflowId } of listWorkflows(temporal, query))
    ids.push(workflowId.slice(prefix.length));
  return ids.sort();
}

async function queueOf({ id, key, baseUrl }: EnvironmentAccess): Promise<EnvironmentReport['queue']> {
  if (!key) return { unknown: 'the key of the environment is not set (ANTHROPIC_ENVIRONMENT_KEY)' };
  const anthropic = { environmentId: id, environmentKey: key, ...(baseUrl ? { baseUrl } : {}) };
  try {
    const { environment } = createAnthropic({ anthropic });
    const stats = await environment.beta.environments.work.stats(id, {}, { timeout: STATS_TIMEOUT_MS });
    const { depth, pending, oldest_queued_at, workers_polling } = stats;
    return { depth, pending, oldestQueuedAt: oldest_queued_at, workersPolling: workers_polling };
  } catch (error) {
    if (error instanceof APIConnectionError) return { unknown: 'Anthropic cannot be reached' };
    if (!(error instanceof APIError)) throw error;
    const refused = error.status === 401 || error.status === 403;
    return {
      unknown: refused
        ? 'Anthropic refuses the key of the environment (ANTHROPIC_ENVIRONMENT_KEY)'
        : `Anthropic answers with status ${error.status}`,
    };
  }
}

async function workersOf({ connection, namespace, names }: TemporalAccess) {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: names.taskQueue },
    taskQueueType: WORKFLOW_TASKS,
  });
  const seen = (pollers ?? []).map(({ lastAccessTime }) => millis(lastAccessTime) ?? 0);
  const polling = seen.filter((at) => at > Date.now() - POLLS_EVERY_MS);
  return { polling: polling.length, lastSeenAt: seen.length > 0 ? time(Math.max(...seen)) : null };
}

type Pending = NonNullable<
  Awaited<
    ReturnType<ReturnType<TemporalAccess['client']['workflow']['getHandle']>['describe']>
  >['raw']['pendingActivities']
>;

async function watchOf({ client }: TemporalAccess, pending: Pending): Promise<Watch> {
  const watch = pending.find(({ activityType }) => activityType?.name === WATCH);
  if (!watch) return { state: 'not running', since: null, lastHeartbeatAt: null, failure: null };
  const waits = watch.state === SCHEDULED;
  const failure = await failureText(client, watch.lastFailure);
  return {
    state: waits ? (failure ? 'retrying' : 'waiting for a worker') : 'polling',
    since: time(millis(waits ? watch.scheduledTime : watch.lastStartedTime)),
    lastHeartbeatAt: time(millis(watch.lastHeartbeatTime)),
    failure: waits ? failure : null,
  };
}

async function sessionsOf({ client, names }: TemporalAccess, environmentId: string) {
  const query = [
    `WorkflowType = '${SESSION_WORKFLOW}'`,
    `TaskQueue = '${names.taskQueue}'`,
    "ExecutionStatus = 'Running'",
    `${EnvironmentIdAttribute.name} = '${environmentId}'`,
  ].join(' AND ');
  const { count } = await client.workflow.count(query);
  const attention = await client.workflow
    .count(`${query} AND ${SessionAttentionAttribute.name} IS NOT NULL`)
    .catch(() => null);
  return { running: count, needAttention: attention?.count ?? null };
}

function time(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
