// A sandbox that several sessions share: requested and entered by sessions, prepared for its own workflow.
import { failpoint } from '../../src/failpoints.ts';
import { sandboxesPrepared } from '../../src/metrics/metrics.ts';
import type {
  AcquireArgs,
  EnterArgs,
  Entered,
  Prepared,
  PrepareSharedArgs,
} from '../../workflows/contract.ts';
import {
  inEnvironment,
  SANDBOX_WORKFLOW,
  type SharedSandboxRequest,
  sharedSandboxRequestedSignal,
  type Workflows,
} from '../../workflows/messages.ts';
import { defineActivity, workflowId } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { sessionOf } from '../equipment/equip-sandbox.ts';
import type { SkillArchives } from '../equipment/skills.ts';
import { finalFailure } from '../errors.ts';
import { limitAttempts } from './limit-attempts.ts';
import { type OpenSandboxes, SandboxLost } from './open-sandboxes.ts';
import {
  findOrCreateSandbox,
  killOrphansOfEarlierAttempts,
  makeReady,
  openIfThere,
  sharedMetadata,
} from './prepare-sandbox.ts';
import { ensureToolhost, toolhostOf } from './toolhost-setup.ts';

export function createSharedSandboxActivities(deps: Deps, sandboxes: OpenSandboxes, archives: SkillArchives) {
  return {
    /** Signals the workflow of the shared sandbox, and starts it if there is none. */
    requestSharedSandbox: defineActivity(
      async ({ sessionId, environmentId, holder, scope }: AcquireArgs): Promise<{ workflowId: string }> => {
        const session = await sharingSession(deps, sessionId);
        const key = scope === 'agent' ? `${environmentId}-${session.agent.id}` : environmentId;
        const { retentionMs, limited, copyOutputs } = deps.config.session;
        const settings = {
          retentionMs,
          ...(limited ? { limited } : {}),
          ...(copyOutputs ? { copyOutputs } : {}),
        };
        await deps.temporal.workflow.signalWithStart<
          Workflows[typeof SANDBOX_WORKFLOW],
          [SharedSandboxRequest]
        >(SANDBOX_WORKFLOW, {
          workflowId: deps.names.sandboxWorkflowId(key),
          taskQueue: deps.names.taskQueue,
          args: [{ key, environmentId, settings }],
          signal: sharedSandboxRequestedSignal,
          signalArgs: [{ holder, sessionId, settings }],
          staticSummary: `sandbox shared by the sessions of ${key}`,
          ...inEnvironment(environmentId, deps.sessions.start.settings.searchAttributes),
        });
        failpoint('sandbox-acquired', sessionId);
        return { workflowId: deps.names.sandboxWorkflowId(key) };
      },
    ),

    /** There is one sandbox for each key. */
    prepareSharedSandbox: defineActivity(async (args: PrepareSharedArgs): Promise<Prepared> => {
      const { environmentId, key, sandboxId } = args;
      const metadata = sharedMetadata(environmentId, key);
      const { sandbox, how } = await findOrCreateSandbox(deps, sandboxes, metadata, sandboxId, args);
      failpoint(how === 'connected' ? 'sandbox-resumed' : 'sandbox-created', workflowId());
      try {
        await limitAttempts(deps, sandbox.sandboxId, () => ensureToolhost(deps, sandbox));
        await killOrphansOfEarlierAttempts(deps, sandbox.sandboxId, metadata);
      } catch (error) {
        sandboxes.forget(sandbox.sandboxId);
        throw error;
      }
      sandboxesPrepared.inc({ how });
      deps.log.info({ key, sandboxId: sandbox.sandboxId, how }, 'shared sandbox ready');
      return { sandboxId: sandbox.sandboxId, how };
    }),

    /** Brings a session's skills into a shared sandbox that runs. */
    enterSharedSandbox: defineActivity(
      async ({ sessionId, sandboxId, lastCall }: EnterArgs): Promise<Entered> => {
        const session = await sharingSession(deps, sessionId);
        const sandbox = await openIfThere(sandboxes, sandboxId);
        if (!sandbox) return { how: 'lost' };
        try {
          const brought = await limitAttempts(deps, sandboxId, async () => {
            await ensureToolhost(deps, sandbox);
            return makeReady(deps, archives, sandbox, sessionId, session, lastCall);
          });
          return { sandboxId, how: 'connected', ...brought };
        } catch (error) {
          sandboxes.forget(sandboxId);
          throw error;
        }
      },
    ),

    /** One that is lost has no processes left. */
    endSessionProcesses: defineActivity(
      async (args: { sandboxId: string; sessionIds: string[] }): Promise<'ended' | 'lost'> => {
        try {
          const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
          for (const sessionId of args.sessionIds) await toolhost.endSession(sessionId);
          failpoint('sessions-dismissed', workflowId());
          return 'ended';
        } catch (error) {
          sandboxes.forget(args.sandboxId);
          if (error instanceof SandboxLost) return 'lost';
          throw error;
        }
      },
    ),
  };
}

/** @throws a failure that tells a person why the session may not share a sandbox */
async function sharingSession(deps: Deps, sessionId: string) {
  const session = await sessionOf(deps, sessionId);
  if (!session) throw finalFailure(`session ${sessionId} cannot be seen`);
  if (session.status === 'terminated' || session.archived_at)
    throw finalFailure(`session ${sessionId} has ended: it gets no sandbox`);
  // Whatever another session wrote into the folder would be saved as this one's memory.
  if ((session.resources ?? []).some(({ type }) => type === 'memory_store'))
    throw finalFailure(
      'a session with memory stores cannot share its sandbox: set ROUTING_SCOPE, or session.routingScope of its ' +
        'environment, to session, or create the session without them',
    );
  return session;
}
