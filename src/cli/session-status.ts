// The status of a session without a worker: from its history, else from a worker of the build that has written it.
import { type SessionStatus, statusQuery } from '../../workflows/messages.ts';
import { replayStatus } from '../status-replay.ts';
import type { TemporalAccess } from './temporal.ts';

type History = Parameters<typeof replayStatus>[0];

const QUERY_MS = 5_000;

/**
 * The status as the workflow itself states it.
 * @param isRunning whether a worker can be asked where the history does not tell it
 * @returns `missing`: why there is no status, in words
 */
export async function findStatus(
  { client, encryption }: TemporalAccess,
  workflowId: string,
  fetchHistory: () => Promise<History>,
  isRunning: boolean,
): Promise<{ status: SessionStatus | null; missing: string | null }> {
  let missing = 'its workflow has not run yet';
  try {
    const status = await replayStatus(await fetchHistory(), workflowId, encryption);
    if (status) return { status, missing: null };
  } catch {
    missing = 'its history was written by another build of the router, whose worker does not answer now';
  }
  if (!isRunning) return { status: null, missing };
  const handle = client.workflow.getHandle(workflowId);
  return client
    .withDeadline(Date.now() + QUERY_MS, () => handle.query(statusQuery))
    .then(
      (status) => ({ status, missing: null }),
      () => ({ status: null, missing }),
    );
}
