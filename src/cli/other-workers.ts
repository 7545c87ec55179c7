// Workers of another deployment at the queue of the same environment: each takes a part of its sessions.
import { createAnthropic } from '../clients/anthropic.ts';
import { counted } from './counted.ts';

const WITHIN_MS = 5_000;

export interface QueueAccess {
  id: string;
  key: string;
  baseUrl?: string | undefined;
}

/** @returns how many workers have polled within the last half minute; undefined if the service does not say */
export async function countPolling({ id, key, baseUrl }: QueueAccess): Promise<number | undefined> {
  const anthropic = { environmentId: id, environmentKey: key, ...(baseUrl ? { baseUrl } : {}) };
  const { work } = createAnthropic({ anthropic }).environment.beta.environments;
  try {
    const { workers_polling } = await work.stats(id, {}, { timeout: WITHIN_MS, maxRetries: 0 });
    return workers_polling === null ? undefined : Number(workers_polling);
  } catch {
    return undefined;
  }
}

/** @param own workers of this deployment @returns words for a warning; undefined if no others poll */
export function describeOthers(id: string, polling: number, own: number): string | undefined {
  const others = polling - own;
  if (others <= 0) return undefined;
  const who = counted(others, 'worker');
  // One of this deployment that was stopped within that time is counted, too.
  return (
    `the queue of ${id} was polled by ${who} beside those of this deployment in the last 30 s: ` +
    "unless just stopped, another router serves a part of the environment's sessions"
  );
}

export const STOP_OTHERS =
  'stop one of the two routers (start, Compose, a cluster, deploy e2b), or give each an environment of its own';
