// Which sandboxes are orphans of ours, for a person who cleans up. Stricter than the reconcile: only sandboxes that prove that
// we made them, and of which no workflow and no session can still need a file.
import type { SandboxInfo } from 'e2b';
import { SandboxIdAttribute } from '../../workflows/messages.ts';
import type { Deps } from '../deps.ts';
import { sandboxMetadata, sharedMetadata } from '../sandbox/prepare-sandbox.ts';
import { isProven } from '../sandbox/proof.ts';
import { inspectStatus } from '../session/inspect-session.ts';
import { workflowOf } from './sessions.ts';
import { olderThan } from './work.ts';

/** A workflow takes a moment to learn of the sandbox that was made for it. */
const SETTLED_AFTER_MS = 10 * 60_000;

/** Whether a sandbox is an orphan, and why, in words. */
export interface OrphanVerdict {
  orphan: boolean;
  why: string;
}

type OrphanDeps = Pick<Deps, 'anthropic' | 'config' | 'e2b' | 'names' | 'temporal'>;

/** Every sandbox with our metadata and the environment's name. */
export async function* sandboxesOf({ config, e2b }: OrphanDeps): AsyncGenerator<SandboxInfo> {
  const metadata = sandboxMetadata(config.anthropic.environmentId);
  const pages = e2b.Sandbox.list({ query: { metadata, state: ['running', 'paused'] } });
  while (pages.hasNext) yield* await pages.nextItems();
}

/** @throws the errors of the services: without their answers nothing is an orphan */
export async function judgeOrphan(deps: OrphanDeps, info: SandboxInfo): Promise<OrphanVerdict> {
  const { session, shared, created_at } = info.metadata;
  const { environmentId } = deps.config.anthropic;
  if (!session && !shared) return keep('it names neither a session nor a shared sandbox');
  const wanted = shared ? sharedMetadata(environmentId, shared) : sandboxMetadata(environmentId, session);
  if (!isProven(deps, info, wanted))
    return keep('no proof that this router made it: another program did, or the environment key has changed');
  if (!olderThan(created_at, SETTLED_AFTER_MS)) return keep('it was made less than 10 minutes ago');
  if (await isRecorded(deps, info.sandboxId)) return keep('a workflow that runs has it');
  return shared ? judgeShared(deps, info, shared) : judgeSession(deps, session ?? '');
}

async function judgeSession(deps: OrphanDeps, sessionId: string): Promise<OrphanVerdict> {
  if (await workflowOf(deps, deps.names.sessionWorkflowId(sessionId)))
    return keep(`the workflow of session ${sessionId} runs; the reconcile decides`);
  const { environmentId } = deps.config.anthropic;
  const { ended } = await inspectStatus(deps.anthropic.environment, sessionId, environmentId);
  return ended
    ? { orphan: true, why: `session ${sessionId} is ${ended}` }
    : keep(`session ${sessionId} has not ended`);
}

/** The service does not say which sessions used it, so it has to be unused for the usual retention. */
async function judgeShared(deps: OrphanDeps, { state, startedAt }: SandboxInfo, key: string) {
  const id = deps.names.sandboxWorkflowId(key);
  if (await workflowOf(deps, id)) return keep(`the workflow ${id} runs`);
  const unused = state === 'paused' && olderThan(startedAt.toISOString(), deps.config.session.retentionMs);
  return unused
    ? { orphan: true, why: `no workflow ${id} runs, and it is unused past its retention` }
    : keep(`sessions may still come back to it: it is not unused past its retention`);
}

/** Whether a workflow of any deployment in the namespace has recorded it; without search attributes none says so. */
async function isRecorded({ temporal }: OrphanDeps, sandboxId: string): Promise<boolean> {
  if (!/^[\w-]{1,200}$/.test(sandboxId)) return true;
  const query = `${SandboxIdAttribute.name} = '${sandboxId}' AND ExecutionStatus = 'Running'`;
  try {
    return (await temporal.workflow.count(query)).count > 0;
  } catch (error) {
    if ((error as { code?: number }).code === INVALID_ARGUMENT) return false;
    throw error;
  }
}

/** Status code of gRPC for a query that names what the server does not know. */
const INVALID_ARGUMENT = 3;

function keep(why: string): OrphanVerdict {
  return { orphan: false, why };
}
