// Which of our environments a session belongs to: webhooks do not say, and they come for every environment of the
// workspace. Each environment's key sees its own sessions only, so each key is tried until one finds the session.
import type { Activities } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { inspectStatus } from './inspect-session.ts';

export function createFindSession(environments: readonly Deps[]): Pick<Activities, 'findSession'> {
  return {
    findSession: defineActivity(async ({ sessionId }) => {
      let failure: unknown;
      for (const deps of environments) {
        const { environmentId } = deps.config.anthropic;
        try {
          const seen = await inspectStatus(deps.anthropic.environment, sessionId, environmentId);
          if (seen.ours) return { ...seen, orphanedCalls: [], start: deps.sessions.start };
        } catch (error) {
          // A key that was revoked must not keep the sessions of the other environments waiting.
          failure ??= error;
        }
      }
      if (failure) throw failure;
      // Deleted, or of an environment that this worker does not serve.
      return { ours: false, live: false, ended: null, orphanedCalls: [] };
    }),
  };
}
