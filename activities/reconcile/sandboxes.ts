// Pauses and kills sandboxes of an environment that no session needs. Only sandboxes with our metadata and the
// environment's name are considered.
import type { SandboxInfo } from 'e2b';
import { sandboxCounts } from '../../src/metrics/metrics.ts';
import type { Deps } from '../deps.ts';
import type { OpenSandboxes } from '../sandbox/open-sandboxes.ts';
import { isUnused, sandboxMetadata } from '../sandbox/prepare-sandbox.ts';
import { inspectStatus } from '../session/inspect-session.ts';
import type { RequestPacer } from '../work-queue/request-pacer.ts';
import { workflowOf } from './sessions.ts';
import { olderThan } from './work.ts';

/** A workflow needs a moment until it has recorded its new sandbox, or uses a sandbox that it has resumed. */
const SETTLED_AFTER_MS = 10 * 60_000;
const RESUMED_AFTER_MS = 60_000;

export interface SandboxesFound {
  findings: string[];
  /** Sessions whose workflow sleeps while its sandbox is paused. */
  asleep: Set<string>;
}

type Verdict = { do: 'kill' | 'pause'; why: string } | null;

export async function reconcileSandboxes(
  deps: Deps,
  open: OpenSandboxes,
  environmentId: string,
  pacer: RequestPacer,
): Promise<SandboxesFound> {
  const found: SandboxesFound = { findings: [], asleep: new Set() };
  const query = { metadata: sandboxMetadata(environmentId), state: ['running', 'paused'] as const };
  const pages = deps.e2b.Sandbox.list({ query: { ...query, state: [...query.state] } });
  const counts = { running: 0, paused: 0 };
  while (pages.hasNext) {
    await pacer.next();
    for (const sandbox of await pages.nextItems()) {
      const { sandboxId, metadata, state } = sandbox;
      counts[state] += 1;
      if (!(metadata.session || metadata.shared) || !olderThan(metadata.created_at, SETTLED_AFTER_MS))
        continue;
      const verdict = metadata.shared
        ? await judgeShared(deps, sandbox, metadata.shared, pacer)
        : await judge(deps, sandbox, environmentId, pacer, found.asleep);
      if (!verdict) continue;
      await pacer.next();
      open.forget(sandboxId);
      if (verdict.do === 'kill') await deps.e2b.Sandbox.kill(sandboxId);
      else await deps.e2b.Sandbox.pause(sandboxId);
      found.findings.push(
        `${verdict.do === 'kill' ? 'killed' : 'paused'} sandbox ${sandboxId}: ${verdict.why}`,
      );
    }
  }
  // The next reconcile may be another worker's.
  sandboxCounts.set(environmentId, counts, 2 * deps.reconcileMs);
  return found;
}

/** @returns null where the sandbox is as it should be, or its workflow does not answer */
async function judge(
  deps: Deps,
  sandbox: SandboxInfo,
  environmentId: string,
  pacer: RequestPacer,
  asleep: Set<string>,
): Promise<Verdict> {
  const { sandboxId, state, startedAt } = sandbox;
  const sessionId = sandbox.metadata.session ?? '';
  const workflow = await workflowOf(deps, deps.names.sessionWorkflowId(sessionId));
  if (!workflow) {
    await pacer.next();
    const { ended } = await inspectStatus(deps.anthropic.environment, sessionId, environmentId);
    if (ended) return { do: 'kill', why: `session ${sessionId} is ${ended}` };
    return putAside(deps, sandbox, `session ${sessionId} has no workflow`);
  }
  const { phase, sandboxId: assigned } = workflow;
  if (!assigned) return null;
  if (assigned !== sandboxId) return duplicate(deps, sandbox, `session ${sessionId} has ${assigned}`, pacer);
  if (phase !== 'paused') return null;
  asleep.add(sessionId);
  const runsOn = state === 'running' && olderThan(startedAt.toISOString(), RESUMED_AFTER_MS);
  return runsOn ? { do: 'pause', why: `session ${sessionId} is idle` } : null;
}

/** Follows the sandbox's own workflow; without one the sandbox is kept for the usual retention. */
async function judgeShared(
  deps: Deps,
  sandbox: SandboxInfo,
  key: string,
  pacer: RequestPacer,
): Promise<Verdict> {
  const { sandboxId, state, startedAt } = sandbox;
  const id = deps.names.sandboxWorkflowId(key);
  const workflow = await workflowOf(deps, id);
  if (!workflow) return putAside(deps, sandbox, `no workflow ${id} runs`);
  if (!workflow.sandboxId) return null;
  if (workflow.sandboxId !== sandboxId)
    return duplicate(deps, sandbox, `${id} has ${workflow.sandboxId}`, pacer);
  const runsOn = state === 'running' && olderThan(startedAt.toISOString(), RESUMED_AFTER_MS);
  return workflow.phase === 'paused' && runsOn ? { do: 'pause', why: `no session uses ${id}` } : null;
}

/** A sandbox in which no call ever ran is killed; any other may hold files that are still needed. */
async function duplicate(
  deps: Deps,
  sandbox: SandboxInfo,
  why: string,
  pacer: RequestPacer,
): Promise<Verdict> {
  // Looking into it resumes it, which `startedAt` shows afterwards: once is enough.
  const bornAt = Date.parse(sandbox.metadata.created_at ?? '');
  if (sandbox.startedAt.getTime() > bornAt + RESUMED_AFTER_MS) return putAside(deps, sandbox, why);
  await pacer.next();
  if (await isUnused(deps, sandbox.sandboxId))
    return { do: 'kill', why: `${why}, and no call ever ran in this one` };
  return putAside(deps, { ...sandbox, state: 'running' }, why);
}

/** Keeps it paused for the usual retention. */
function putAside(deps: Deps, { state, startedAt }: SandboxInfo, why: string): Verdict {
  if (state === 'running') return { do: 'pause', why };
  const unused = olderThan(startedAt.toISOString(), deps.config.session.retentionMs);
  return unused ? { do: 'kill', why: `${why}, unused past its retention` } : null;
}
