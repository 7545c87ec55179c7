// The gauges that no single process knows: sessions by phase from Temporal's visibility, queues from Anthropic. Read when
// Prometheus scrapes, not more often than every 15 seconds, and never waited for longer than a scrape may take. What could not
// be read is not shown: an old value would look like a new one.
import type Anthropic from '@anthropic-ai/sdk';
import type { Client } from '@temporalio/client';
import { CAUSES, type DeploymentNames, PHASES, SESSION_WORKFLOW } from '../../workflows/messages.ts';
import type { Logger } from '../log.ts';
import {
  queueAgeSeconds,
  queueDepth,
  sessions,
  sessionsNeedingAttention,
  workersPolling,
} from './metrics.ts';

const READ_AGAIN_MS = 15_000;
const WAIT_MS = 2_000;
const READ_WITHIN_MS = 10_000;

export interface Fleet {
  temporal: Client;
  names: DeploymentNames;
  /** Clients that hold the key of the environment, by its id. */
  environments: ReadonlyMap<string, Anthropic>;
  log: Logger;
}

/** @returns brings the gauges up to date, as far as the services answer within two seconds; never throws */
export function createFleetReader(fleet: Fleet): () => Promise<void> {
  let readAt = 0;
  let reading: Promise<void> | undefined;
  const read = async () => {
    await Promise.all([
      known(fleet, () => readSessions(fleet), forgetSessions),
      ...[...fleet.environments].map(([id, client]) =>
        known(
          fleet,
          () => readQueue(id, client),
          () => forgetQueue(id),
        ),
      ),
    ]);
    readAt = Date.now();
    reading = undefined;
  };
  return async () => {
    if (!reading && Date.now() - readAt >= READ_AGAIN_MS) reading = read();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, WAIT_MS);
    });
    await Promise.race([reading, late]);
    clearTimeout(timer);
  };
}

async function known({ log }: Fleet, read: () => Promise<void>, forget: () => void): Promise<void> {
  try {
    await read();
  } catch (error) {
    forget();
    log.debug({ reason: (error as Error).message }, 'sessions or a queue could not be counted');
  }
}

async function readSessions({ temporal, names }: Fleet): Promise<void> {
  const running = `WorkflowType = '${SESSION_WORKFLOW}' AND TaskQueue = '${names.taskQueue}' AND ExecutionStatus = 'Running'`;
  const count = async (condition: string): Promise<number> => {
    const deadline = Date.now() + READ_WITHIN_MS;
    const query = `${running} AND ${condition}`;
    return (await temporal.withDeadline(deadline, () => temporal.workflow.count(query))).count;
  };
  const phases = await Promise.all(PHASES.map((phase) => count(`SessionPhase = '${phase}'`)));
  // Mostly there are none, and one question says so.
  const some = (await count('SessionAttention IS NOT NULL')) > 0;
  const causes = await Promise.all(
    CAUSES.map((cause) => (some ? count(`SessionAttention = '${cause}'`) : 0)),
  );
  for (const [index, phase] of PHASES.entries()) sessions.set({ phase }, phases[index] ?? 0);
  for (const [index, cause] of CAUSES.entries()) sessionsNeedingAttention.set({ cause }, causes[index] ?? 0);
}

function forgetSessions(): void {
  sessions.reset();
  sessionsNeedingAttention.reset();
}

async function readQueue(environment: string, anthropic: Anthropic): Promise<void> {
  const { depth, oldest_queued_at, workers_polling } = await anthropic.beta.environments.work.stats(
    environment,
    {},
    { timeout: READ_WITHIN_MS, maxRetries: 0 },
  );
  queueDepth.set({ environment }, depth);
  const age = oldest_queued_at === null ? 0 : (Date.now() - Date.parse(oldest_queued_at)) / 1000;
  queueAgeSeconds.set({ environment }, Math.max(0, age));
  if (workers_polling === null) workersPolling.remove({ environment });
  else workersPolling.set({ environment }, workers_polling);
}

function forgetQueue(environment: string): void {
  for (const gauge of [queueDepth, queueAgeSeconds, workersPolling]) gauge.remove({ environment });
}
