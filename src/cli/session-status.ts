// The status of a session for a command that lists many: from its history, else from a worker.
import { type SessionStatus, statusQuery } from '../../workflows/messages.ts';
import { replayStatus } from '../status-replay.ts';
import type { TemporalAccess } from './temporal.ts';

const QUERY_MS = 5_000;

/**
 * The status as the workflow itself states it. No worker is needed, unless another build has written the history.
 * @returns null where neither the history nor a worker tells it
 */
export async function sessionStatus(
  { client, encryption }: TemporalAccess,
  workflowId: string,
): Promise<SessionStatus | null> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    return await replayStatus(await handle.fetchHistory(), workflowId, encryption);
  } catch {
    const answer = client.withDeadline(Date.now() + QUERY_MS, () => handle.query(statusQuery));
    return answer.catch(() => null);
  }
}
