// Adopts work items of an environment that were left behind.
import type { BetaSelfHostedWork } from '@anthropic-ai/sdk/resources/beta/environments/work';
import type { Deps } from '../deps.ts';
import type { WorkClaims } from '../work-queue/claim-work.ts';
import type { RequestPacer } from '../work-queue/request-pacer.ts';

const PAGE = 100;
/** A claim takes a moment from "acknowledged" to the first heartbeat. */
const STRANDED_AFTER_MS = 30_000;
/**
 * Every worker heartbeats more often, ours at least every two minutes: an item without heartbeats is left behind. Whether
 * its session is stuck is another question, which workflows/session/progress.ts answers.
 */
export const WITHOUT_HEARTBEAT_MS = 180_000;
/** A session whose item was stopped longer ago has been inspected by now. */
const RELEASED_LATELY_MS = 60 * 60_000;

export interface WorkFound {
  findings: string[];
  /** Sessions with an item that is not stopped. */
  withWorkItem: Set<string>;
  /** Sessions whose item was stopped lately. */
  released: Set<string>;
}

export async function reconcileWork(
  deps: Deps,
  claims: WorkClaims,
  environmentId: string,
  pacer: RequestPacer,
): Promise<WorkFound> {
  const found: WorkFound = { findings: [], withWorkItem: new Set(), released: new Set() };
  let seen = 0;
  for await (const item of deps.anthropic.environment.beta.environments.work.list(environmentId, {
    limit: PAGE,
  })) {
    if (seen++ % PAGE === 0) await pacer.next();
    if (item.data.type !== 'session') continue;
    if (item.state === 'stopped') {
      if (!olderThan(item.stopped_at, RELEASED_LATELY_MS)) found.released.add(item.data.id);
      continue;
    }
    found.withWorkItem.add(item.data.id);
    const why = leftBehind(item);
    if (!why) continue;
    await pacer.next();
    await claims.take(item);
    found.findings.push(`adopted work item ${item.id}, ${why}`);
  }
  return found;
}

/**
 * @returns why no worker holds the item although the queue does not offer it; null if that is not so. A workflow that
 * holds it after all takes no harm from getting it again.
 */
function leftBehind(item: BetaSelfHostedWork): string | null {
  if (item.state === 'starting' && !item.latest_heartbeat_at)
    return olderThan(item.acknowledged_at, STRANDED_AFTER_MS) ? 'acknowledged and never held' : null;
  if (item.state !== 'active') return null;
  return olderThan(item.latest_heartbeat_at, WITHOUT_HEARTBEAT_MS)
    ? 'without a heartbeat for longer than a lease holds'
    : null;
}

export function olderThan(moment: string | null | undefined, ms: number): boolean {
  return Date.now() - Date.parse(moment ?? '') > ms;
}
