// Posts the interrupt that a person has asked for. Safe to repeat: an attempt whose answer was lost leaves its event.
import { APIError } from '@anthropic-ai/sdk';
import { Context } from '@temporalio/activity';
import type { Interrupted } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { type SessionSecret, withWorkItemToken } from '../work-queue/item-secret.ts';
import { inspectStatus } from './inspect-session.ts';

/** Of the newest interrupts: one of all threads is among them. */
const LOOKED_AT = 20;
/** By how much the clocks of the service and Temporal may differ. */
const CLOCK_SKEW_MS = 5_000;
const FORBIDDEN =
  'Neither the token of the work item nor the environment key may interrupt the session. An API key of the ' +
  'organisation may: interrupt it in the Console, or post user.interrupt with ANTHROPIC_API_KEY.';

export function createInterruptSession(deps: Pick<Deps, 'anthropic' | 'config'>) {
  return {
    interruptSession: defineActivity(
      async (args: SessionSecret & { environmentId: string }): Promise<Interrupted> => {
        const { attempt, scheduledTimestampMs } = Context.current().info;
        try {
          return await withWorkItemToken(deps, args, async (client) => {
            const { sessionId, environmentId } = args;
            const types = ['user.interrupt' as const];
            const newest = { limit: LOOKED_AT, order: 'desc' as const, types };
            const { data } = await client.beta.sessions.events.list(sessionId, newest);
            const counts = (at: string | null | undefined) =>
              !at || (attempt > 1 && Date.parse(at) >= scheduledTimestampMs - CLOCK_SKEW_MS);
            const isThere = data.some(
              (event) =>
                event.type === 'user.interrupt' &&
                event.session_thread_id == null &&
                counts(event.processed_at),
            );
            if (isThere) return { outcome: 'posted' };
            const { live } = await inspectStatus(client, sessionId, environmentId);
            if (!live) return { outcome: 'no turn' };
            await client.beta.sessions.events.send(sessionId, { events: [{ type: 'user.interrupt' }] });
            return { outcome: 'posted' };
          });
        } catch (error) {
          if (!(error instanceof APIError) || (error.status !== 401 && error.status !== 403)) throw error;
          return { outcome: 'forbidden', reason: FORBIDDEN };
        }
      },
    ),
  };
}
