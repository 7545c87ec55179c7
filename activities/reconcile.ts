// Compares what the work queue, the sandboxes and the session workflows say, and mends what no message will.
import { type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import type { SandboxInfo } from 'e2b';
import { sessionWorkflowId, statusQuery } from '../workflows/messages.ts';
import type { Deps } from './deps.ts';
import type { OpenSandboxes } from './open-sandboxes.ts';
import { guard } from './running.ts';
import { listSandboxes, sandboxMetadata } from './sandbox.ts';
import { fateOf } from './session.ts';
import type { WorkClaims } from './work-claims.ts';

/** A claim takes a moment from "acknowledged" to the first heartbeat. */
const STRANDED_AFTER_MS = 30_000;
/** A workflow takes a moment to learn of the sandbox that was made for it. */
const ORPHANED_AFTER_MS = 10 * 60_000;
const FINDINGS_KEPT = 20;

export function createReconcile(deps: Deps, sandboxes: OpenSandboxes, claims: WorkClaims) {
  return {
    /** @returns what was found and mended, in words; at most 20 lines */
    reconcile: guard(async ({ environmentId }: { environmentId: string }): Promise<string[]> => {
      const findings = [
        ...(await adoptStranded(deps, claims, environmentId)),
        ...(await clearOrphans(deps, sandboxes, environmentId)),
      ];
      for (const finding of findings) deps.log.warn({ environmentId, finding }, 'reconciled');
      return findings.slice(0, FINDINGS_KEPT);
    }),
  };
}

/** Items that were acknowledged and never held: whoever took them died, and the queue offers them to nobody. */
async function adoptStranded(deps: Deps, claims: WorkClaims, environmentId: string): Promise<string[]> {
  const adopted: string[] = [];
  const work = deps.anthropic.environment.beta.environments.work;
  for await (const item of work.list(environmentId, { limit: 100 })) {
    if (
      item.state !== 'starting' ||
      item.latest_heartbeat_at ||
      !olderThan(item.acknowledged_at, STRANDED_AFTER_MS)
    )
      continue;
    await claims.take(item);
    adopted.push(`adopted work item ${item.id}, acknowledged and never held`);
  }
  return adopted;
}

async function clearOrphans(deps: Deps, sandboxes: OpenSandboxes, environmentId: string): Promise<string[]> {
  const cleared: string[] = [];
  for (const sandbox of await listSandboxes(deps, sandboxMetadata(environmentId))) {
    if (!olderThan(sandbox.metadata.created_at, ORPHANED_AFTER_MS)) continue;
    const verdict = await judge(deps, sandbox, environmentId);
    if (verdict === null) continue;
    const { sandboxId } = sandbox;
    sandboxes.forget(sandboxId);
    if (verdict.do === 'kill') await deps.e2b.Sandbox.kill(sandboxId);
    else await deps.e2b.Sandbox.pause(sandboxId);
    cleared.push(`${verdict.do === 'kill' ? 'killed' : 'paused'} sandbox ${sandboxId}: ${verdict.why}`);
  }
  return cleared;
}

/** @returns null where the sandbox is as it should be, or nobody can tell */
async function judge(
  deps: Deps,
  { sandboxId, metadata, state, startedAt }: SandboxInfo,
  environmentId: string,
): Promise<{ do: 'kill' | 'pause'; why: string } | null> {
  const sessionId = metadata.session;
  if (!sessionId) return null;
  let why = `session ${sessionId} has no workflow`;
  if ((await workflowState(deps, sessionId)) === 'RUNNING') {
    const assigned = await assignedSandbox(deps, sessionId);
    if (!assigned || assigned === sandboxId) return null;
    why = `session ${sessionId} has ${assigned}`;
  } else {
    const { ended } = await fateOf(deps.anthropic.environment, sessionId, environmentId);
    if (ended) return { do: 'kill', why: `session ${sessionId} is ${ended}` };
  }
  // It may hold files that somebody misses: kept as long as any paused sandbox.
  if (state === 'running') return { do: 'pause', why };
  const unused = olderThan(startedAt.toISOString(), deps.config.session.retentionMs);
  return unused ? { do: 'kill', why: `${why}, unused past its retention` } : null;
}

async function workflowState(
  { temporal }: Deps,
  sessionId: string,
): Promise<WorkflowExecutionStatusName | null> {
  try {
    return (await temporal.workflow.getHandle(sessionWorkflowId(sessionId)).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** A workflow that cannot answer now is asked again at the next reconcile. */
async function assignedSandbox({ temporal }: Deps, sessionId: string): Promise<string | null> {
  try {
    return (await temporal.workflow.getHandle(sessionWorkflowId(sessionId)).query(statusQuery)).sandboxId;
  } catch {
    return null;
  }
}

function olderThan(moment: string | null | undefined, ms: number): boolean {
  return Date.now() - Date.parse(moment ?? '') > ms;
}
