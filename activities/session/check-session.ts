// Checks a session in which people have to act, perhaps for days: its events are not watched meanwhile, so that it
// occupies no activity slot. Extends the lease, and finds out whether anything has happened.
import type Anthropic from '@anthropic-ai/sdk';
import { Context } from '@temporalio/activity';
import type { CheckArgs, Checked } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { withWorkItemToken } from '../work-queue/item-secret.ts';
import { WorkLease } from '../work-queue/lease.ts';
import { recordWork } from '../work-queue/work-span.ts';

/** The longest that the service is known to give. Each check is two requests and an action of Temporal: few are needed then. */
const TTL_SECONDS = 300;

export function createCheckSession(deps: Deps) {
  return {
    checkSession: defineActivity(async (args: CheckArgs): Promise<Checked> => {
      const { cancellationSignal: signal } = Context.current();
      const lease = new WorkLease(deps.anthropic.environment, args, args.lease);
      const why = await lease.beat(signal, TTL_SECONDS).catch((error: unknown) => {
        if (classify(error).kind === 'not found') return 'lost' as const;
        throw error;
      });
      if (why === 'lost') recordWork(args, 'lease_lost');
      if (why) return { why, lease: lease.current, moved: false };
      const look = (client: Anthropic) => lookAtEvents(client, args, signal);
      return { lease: lease.current, ...(await withWorkItemToken(deps, args, look)) };
    }),
  };
}

async function lookAtEvents(
  client: Anthropic,
  args: CheckArgs,
  signal: AbortSignal,
): Promise<Pick<Checked, 'moved' | 'seen'>> {
  const newestFirst = { limit: 1, order: 'desc' as const };
  try {
    const { data } = await client.beta.sessions.events.list(args.sessionId, newestFirst, { signal });
    const newest = data[0]?.id;
    if (newest === undefined || args.seen.includes(newest)) return { moved: false };
    return { moved: true, seen: newest };
  } catch (error) {
    // The watch finds out whether the session is deleted.
    if (classify(error).kind === 'not found') return { moved: true };
    throw error;
  }
}
