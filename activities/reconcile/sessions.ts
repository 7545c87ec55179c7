// Session workflows as the reconcile sees them, and sessions that are not watched: asleep, or without a work item.
import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import {
  SandboxIdAttribute,
  SESSION_WORKFLOW,
  SessionPhaseAttribute,
  statusQuery,
} from '../../workflows/messages.ts';
import type { Deps } from '../deps.ts';
import { inspectStatus } from '../session/inspect-session.ts';
import type { RequestPacer } from '../work-queue/request-pacer.ts';

/** At most this many sessions are inspected in one round; further ones have their turn in later rounds. */
const LOOKS_A_ROUND = 200;
const ROUND_MS = 5 * 60_000;
const MOST_SHARERS = 10_000;
/** Status code of gRPC for a query that names what the server does not know. */
const INVALID_ARGUMENT = 3;

/** The workflow of a session or shared sandbox. @returns null if none runs; with nulls in it if it does not answer */
export async function workflowOf(
  { temporal }: Pick<Deps, 'temporal'>,
  workflowId: string,
): Promise<{ phase: string | null; sandboxId: string | null } | null> {
  const handle = temporal.workflow.getHandle(workflowId);
  try {
    const { status, typedSearchAttributes: known } = await handle.describe();
    if (status.name !== 'RUNNING') return null;
    const phase = known.get(SessionPhaseAttribute);
    // A query would have to replay a workflow that sleeps.
    if (phase !== undefined) return { phase, sandboxId: known.get(SandboxIdAttribute) ?? null };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
  try {
    return await handle.query(statusQuery);
  } catch {
    return { phase: null, sandboxId: null };
  }
}

/**
 * Sessions that sleep while their shared sandbox is paused: they have no sandbox of their own. Found by their search
 * attributes; on a server without these they end after their own retention.
 */
export async function sleepingSharers(
  { temporal, names, config }: Pick<Deps, 'temporal' | 'names' | 'config'>,
  environmentId: string,
): Promise<string[]> {
  if (!config.session.scope) return [];
  const query = [
    `WorkflowType = '${SESSION_WORKFLOW}'`,
    "ExecutionStatus = 'Running'",
    `EnvironmentId = '${environmentId}'`,
    "SessionPhase = 'paused'",
  ].join(' AND ');
  const prefix = names.sessionWorkflowId('');
  const sleeping: string[] = [];
  try {
    for await (const { workflowId } of temporal.workflow.list({ query })) {
      // Another deployment's are its own matter.
      if (!workflowId.startsWith(prefix)) continue;
      sleeping.push(workflowId.slice(prefix.length));
      if (sleeping.length >= MOST_SHARERS) break;
    }
  } catch (error) {
    if (!isGrpcServiceError(error) || error.code !== INVALID_ARGUMENT) throw error;
  }
  return sleeping;
}

/** Tells the workflows of sessions that ended unnoticed, or whose turn goes on without a work item. */
export async function notifyUnattended(
  deps: Deps,
  sessionIds: Set<string>,
  pacer: RequestPacer,
): Promise<string[]> {
  const { environmentId } = deps.config.anthropic;
  const findings: string[] = [];
  for (const sessionId of thisRound([...sessionIds])) {
    await pacer.next();
    const { ours, live, ended } = await inspectStatus(deps.anthropic.environment, sessionId, environmentId);
    const eventId = `reconcile-${sessionId}-${Date.now()}`;
    if (ended) {
      if (await deps.sessions.sessionChangedIfRunning(sessionId, { eventId, change: ended }))
        findings.push(`session ${sessionId} was ${ended} while its workflow slept`);
    } else if (ours && live) {
      await deps.sessions.unattendedTurnFound(sessionId, { eventId });
      findings.push(`session ${sessionId} has a turn under way and no work item`);
    }
  }
  return findings;
}

function thisRound(sessionIds: string[]): string[] {
  const rounds = Math.ceil(sessionIds.length / LOOKS_A_ROUND);
  const round = Math.floor(Date.now() / ROUND_MS) % Math.max(1, rounds);
  return sessionIds.sort().slice(round * LOOKS_A_ROUND, (round + 1) * LOOKS_A_ROUND);
}
