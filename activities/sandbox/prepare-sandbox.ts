// The sandbox of a session: found by its metadata, created, resumed, paused, killed.
import { Context } from '@temporalio/activity';
import { AuthenticationError, type Sandbox, type SandboxInfo } from 'e2b';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import { MANAGED_BY } from '../../src/clients/sandbox-metadata.ts';
import { failpoint } from '../../src/failpoints.ts';
import { sandboxesPrepared } from '../../src/metrics/metrics.ts';
import type { PrepareArgs, Prepared, SandboxOwner, SandboxRequest } from '../../workflows/contract.ts';
import { defineActivity, workflowId } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { equip, sessionOf } from '../equipment/equip-sandbox.ts';
import { SkillArchives } from '../equipment/skills.ts';
import { classify, finalFailure } from '../errors.ts';
import { agentOf } from '../session/inspect-session.ts';
import { limitAttempts } from './limit-attempts.ts';
import { confirmNotFound, type OpenSandboxes, SandboxLost } from './open-sandboxes.ts';
import { adoptable, madeFor, withProof } from './proof.ts';
import { ensureToolhost, journalHolds, journalIsEmpty } from './toolhost-setup.ts';

const RESULTS_LOOKED_AT = 20;

/** Metadata by which the sandboxes of an environment, or of one of its sessions, are found again. */
export function sandboxMetadata(environmentId: string, sessionId?: string): Record<string, string> {
  const metadata = { managed_by: MANAGED_BY, environment: environmentId };
  return sessionId ? { ...metadata, session: sessionId } : metadata;
}

/** Metadata of the sandbox that several sessions share. */
export function sharedMetadata(environmentId: string, key: string): Record<string, string> {
  return { ...sandboxMetadata(environmentId), shared: key };
}

function metadataOf(owner: SandboxOwner): Record<string, string> {
  return 'sessionId' in owner
    ? sandboxMetadata(owner.environmentId, owner.sessionId)
    : sharedMetadata(owner.environmentId, owner.key);
}

export function createSandboxActivities(
  deps: Deps,
  sandboxes: OpenSandboxes,
  archives = new SkillArchives(),
) {
  return {
    /** Resolves with a running sandbox whose toolhost answers, the session's skills installed. */
    prepareSandbox: defineActivity(async (args: PrepareArgs): Promise<Prepared> => {
      const looked = sessionOf(deps, args.sessionId);
      looked.catch(() => undefined);
      const metadata = sandboxMetadata(args.environmentId, args.sessionId);
      const { sandbox, how: found } = await findOrCreateSandbox(
        deps,
        sandboxes,
        metadata,
        args.sandboxId,
        args,
        () => mayHaveSandbox(looked, args.sessionId),
      );
      failpoint(found === 'connected' ? 'sandbox-resumed' : 'sandbox-created', args.sessionId);
      try {
        const ranBefore = found === 'created' ? hasRunCalls(deps, args.sessionId) : false;
        const lastCall = found === 'connected' ? args.lastCall : undefined;
        const brought = await limitAttempts(deps, sandbox.sandboxId, async () => {
          await ensureToolhost(deps, sandbox);
          return makeReady(deps, archives, sandbox, args.sessionId, await looked, lastCall);
        });
        await killOrphansOfEarlierAttempts(deps, sandbox.sandboxId, metadata);
        const how = (await ranBefore) ? 'replaced' : found;
        sandboxesPrepared.inc({ how });
        deps.log.info({ sessionId: args.sessionId, sandboxId: sandbox.sandboxId, how }, 'sandbox ready');
        return { sandboxId: sandbox.sandboxId, how, ...brought };
      } catch (error) {
        // The next attempt asks the control plane whether it is still there.
        sandboxes.forget(sandbox.sandboxId);
        throw error;
      }
    }),

    pauseSandbox: defineActivity(({ sandboxId }: { sandboxId: string }) =>
      pauseSandbox(deps, sandboxes, sandboxId),
    ),

    /** There may be more than the workflow knows: an attempt may have died before it could say what it made. */
    killSandboxes: defineActivity(async (owner: SandboxOwner): Promise<string[]> => {
      const found = await listSandboxes(deps, metadataOf(owner));
      for (const { sandboxId } of found) {
        sandboxes.forget(sandboxId);
        await deps.e2b.Sandbox.kill(sandboxId);
        const sessionId = 'sessionId' in owner ? owner.sessionId : undefined;
        deps.log.info({ sessionId, sandboxId }, 'sandbox killed');
      }
      failpoint('sandbox-killed', 'sessionId' in owner ? owner.sessionId : owner.key);
      return found.map(({ sandboxId }) => sandboxId);
    }),
  };
}

/** Pauses a sandbox, and makes sure that it is paused. */
export async function pauseSandbox(
  deps: Deps,
  sandboxes: OpenSandboxes,
  sandboxId: string,
): Promise<'paused' | 'lost'> {
  sandboxes.forget(sandboxId);
  try {
    await confirmNotFound(sandboxId, () => deps.e2b.Sandbox.pause(sandboxId));
    // E2B gives the same answer for a pause that failed, or that traffic undid at once: check the state.
    const info = await confirmNotFound(sandboxId, () => deps.e2b.Sandbox.getInfo(sandboxId));
    if (info.state !== 'paused') throw new Error(`sandbox ${sandboxId} is ${info.state} after it was paused`);
    await killOrphanSandboxes(deps, info);
    deps.log.info({ sessionId: info.metadata.session, sandboxId }, 'sandbox paused');
    failpoint('sandbox-paused', workflowId());
    return 'paused';
  } catch (error) {
    if (error instanceof SandboxLost) return 'lost';
    throw error;
  }
}

/** Brings a session's skills and folders into a sandbox whose toolhost runs, and checks that its files are there. */
export async function makeReady(
  deps: Deps,
  archives: SkillArchives,
  sandbox: Sandbox,
  sessionId: string,
  session: Awaited<ReturnType<typeof sessionOf>>,
  lastCall: string | undefined,
): Promise<Pick<Prepared, 'older' | 'equipment' | 'agentId'>> {
  const equipment = await equip(deps, archives, deps.e2b.toolhost(sandbox), session);
  failpoint('session-equipped', sessionId);
  const older = lastCall !== undefined && !(await journalHolds(deps, sandbox, lastCall));
  return { ...(older ? { older } : {}), ...(equipment ? { equipment } : {}), ...agentOf(session) };
}

/** Sandboxes, running or paused, with all of this metadata; the last created comes first. */
export async function listSandboxes(
  { e2b }: Pick<Deps, 'e2b'>,
  metadata: Record<string, string>,
): Promise<SandboxInfo[]> {
  const found: SandboxInfo[] = [];
  const pages = e2b.Sandbox.list({ query: { metadata, state: ['running', 'paused'] } });
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  // Resuming changes `startedAt`, so the time of creation is kept in the metadata.
  const born = ({ metadata, sandboxId }: SandboxInfo) => `${metadata.created_at ?? ''} ${sandboxId}`;
  return found.sort((a, b) => (born(a) < born(b) ? 1 : -1));
}

/** The known sandbox, or one that an earlier attempt created, or a new one. */
export async function findOrCreateSandbox(
  deps: Deps,
  sandboxes: OpenSandboxes,
  metadata: Record<string, string>,
  sandboxId: string | null,
  wish: SandboxRequest,
  beforeCreation: () => Promise<void> = async () => undefined,
): Promise<{ sandbox: Sandbox; how: Prepared['how'] }> {
  if (sandboxId) {
    const sandbox = await openIfThere(sandboxes, sandboxId);
    if (sandbox) return { sandbox, how: 'connected' };
  }
  for (const found of adoptable(deps, await listSandboxes(deps, metadata), metadata, wish)) {
    const sandbox = await openIfThere(sandboxes, found.sandboxId);
    if (sandbox) return { sandbox, how: sandboxId ? 'replaced' : 'adopted' };
  }
  await beforeCreation();
  const created = await create(deps, withProof(deps, metadata, wish.nonce));
  // An attempt that was given up may still be at work. Of two creations that of the later attempt stays, whichever
  // ends first. An attempt kills only its own: another one may hold files, and is left to the reconcile.
  const [made] = madeFor(deps, await listSandboxes(deps, metadata), metadata, wish);
  const newest = made?.sandboxId ?? created.sandboxId;
  if (newest !== created.sandboxId) {
    await deps.e2b.Sandbox.kill(created.sandboxId);
    return { sandbox: await sandboxes.open(newest), how: sandboxId ? 'replaced' : 'adopted' };
  }
  sandboxes.adopt(created);
  return { sandbox: created, how: sandboxId ? 'replaced' : 'created' };
}

/**
 * E2B may create a sandbox long after the worker that requested it is dead and another attempt has created one: it runs
 * unknown to any workflow. Sandboxes in which a call ran are left to the reconcile.
 */
async function killOrphanSandboxes(
  deps: Deps,
  { sandboxId: assigned, metadata }: Pick<SandboxInfo, 'sandboxId' | 'metadata'>,
): Promise<void> {
  const { managed_by, environment, session, shared } = metadata;
  if (managed_by !== MANAGED_BY || !environment || !(session || shared)) return;
  const wanted = shared ? sharedMetadata(environment, shared) : sandboxMetadata(environment, session);
  for (const { sandboxId, state } of await listSandboxes(deps, wanted)) {
    if (sandboxId === assigned || state !== 'running') continue;
    if (!(await isUnused(deps, sandboxId))) continue;
    await deps.e2b.Sandbox.kill(sandboxId);
    deps.log.info({ sandboxId, assigned }, 'killed a sandbox that was made late and never used');
  }
}

/**
 * Earlier attempts may have requested sandboxes that are created only now. Sandboxes that appear later are killed at the next
 * pause.
 */
export async function killOrphansOfEarlierAttempts(
  deps: Deps,
  sandboxId: string,
  metadata: Record<string, string>,
): Promise<void> {
  if (Context.current().info.attempt === 1) return;
  try {
    await killOrphanSandboxes(deps, { sandboxId, metadata });
  } catch (error) {
    deps.log.warn({ sandboxId, err: error }, 'sandboxes made late may be left until the next pause');
  }
}

/** Whether it is certain that no call ever ran in it. Resumes the sandbox. */
export async function isUnused(deps: Pick<Deps, 'e2b' | 'config'>, sandboxId: string): Promise<boolean> {
  const { e2b, config } = deps;
  const sandbox = await e2b.Sandbox.connect(sandboxId, { timeoutMs: config.e2b.timeoutMs });
  try {
    return await journalIsEmpty(deps, sandbox);
  } catch (error) {
    if (error instanceof SandboxHttpError) return false;
    throw error;
  }
}

/** A work item may outlive its session; an ended session gets no new sandbox. */
async function mayHaveSandbox(looked: ReturnType<typeof sessionOf>, sessionId: string): Promise<void> {
  const session = await looked;
  if (!session || (session.status !== 'terminated' && !session.archived_at)) return;
  throw finalFailure(`session ${sessionId} has ended: it gets no new sandbox`);
}

/**
 * Whether the session has results of calls: a workflow that has lost its history does not know the sandbox that they ran in, and
 * that sandbox could not be found. What cannot be asked counts as no.
 */
async function hasRunCalls({ anthropic }: Deps, sessionId: string): Promise<boolean> {
  const query = { limit: RESULTS_LOOKED_AT, order: 'desc' as const, types: ['user.tool_result' as const] };
  try {
    const { data } = await anthropic.environment.beta.sessions.events.list(sessionId, query);
    // An error may say that no sandbox could be started.
    return data.some((event) => event.type === 'user.tool_result' && !event.is_error);
  } catch {
    return false;
  }
}

async function create({ e2b, config }: Deps, metadata: Record<string, string>): Promise<Sandbox> {
  const { template, timeoutMs, autoResume, allowInternetAccess } = config.e2b;
  const { activityId, attempt } = Context.current().info;
  try {
    return await e2b.Sandbox.create(template, {
      timeoutMs,
      metadata: { ...metadata, attempt: `${activityId}.${attempt}`, created_at: new Date().toISOString() },
      lifecycle: { onTimeout: 'pause', autoResume },
      allowInternetAccess,
      network: { allowPublicTraffic: false },
    });
  } catch (error) {
    if (classify(error).kind === 'not found')
      throw finalFailure(
        `E2B knows no template "${template}": set E2B_TEMPLATE, or build it with "npm run template"`,
      );
    if (error instanceof AuthenticationError) throw finalFailure('E2B refuses the key: set E2B_API_KEY');
    throw error;
  }
}

/** Null if it no longer exists. */
export async function openIfThere(sandboxes: OpenSandboxes, sandboxId: string): Promise<Sandbox | null> {
  try {
    return await sandboxes.open(sandboxId);
  } catch (error) {
    if (error instanceof SandboxLost) return null;
    throw error;
  }
}
