// What a person should do about an environment. Pure.

import { routerCommand } from '../../program-name.ts';
import { duration, relative } from '../times.ts';
import type { EnvironmentReport } from './report.ts';

/** A worker takes an item within seconds. */
const WAITS_LONG_MS = 60_000;
/** An attempt of the watch sends heartbeats much more often. */
const SILENT_MS = 120_000;

/**
 * @param now epoch ms
 * @returns one sentence for each cause, the most important one first; empty where nothing is to be done
 */
export function needsAttention(report: EnvironmentReport, now: number): string[] {
  const { environmentId, running, drainedSince, queue, watch, workers, lastReconcile, sessions } = report;
  const found: string[] = [];
  if (drainedSince)
    found.push(
      `A person drained it ${relative(Date.parse(drainedSince), now)}, so it takes no new work: ${routerCommand(`environments resume ${environmentId}`)}`,
    );
  if (workers.polling === 0)
    found.push(
      `No worker of this deployment runs, so nothing is claimed: start one with \`${routerCommand('worker')}\` (or \`start\`)`,
    );
  if (!running)
    found.push('The workflow of the environment has ended: the next start of a worker starts it again');
  else if (watch.failure) found.push(`The queue cannot be watched: ${watch.failure}`);
  else if (
    workers.polling > 0 &&
    watch.state === 'polling' &&
    silentFor(watch.lastHeartbeatAt, now) > SILENT_MS
  )
    found.push(
      `The watch of the queue has been silent for ${duration(silentFor(watch.lastHeartbeatAt, now))}: its worker may be dead; ` +
        'Temporal gives the watch to another one',
    );
  if ('unknown' in queue) {
    if (!queue.unknown.includes('is not set')) found.push(`The queue cannot be read: ${queue.unknown}`);
  } else if (queue.oldestQueuedAt && now - Date.parse(queue.oldestQueuedAt) > WAITS_LONG_MS)
    found.push(
      `Work has waited for ${duration(now - Date.parse(queue.oldestQueuedAt))} (${queue.depth} in the queue, ${queue.pending} handed ` +
        'out): see the worker log, and whether sessions wait for sandboxes',
    );
  if (lastReconcile?.failure) found.push(`The last reconcile failed: ${lastReconcile.failure}`);
  if (sessions.needAttention)
    found.push(
      `${sessions.needAttention === 1 ? 'One session needs' : `${sessions.needAttention} sessions need`} a person: ${routerCommand(`sessions list --attention --environment ${environmentId}`)}`,
    );
  return found;
}

function silentFor(lastHeartbeatAt: string | null, now: number): number {
  return lastHeartbeatAt === null ? 0 : now - Date.parse(lastHeartbeatAt);
}
