// Posts a tool's result. If the service refuses it for its content, the model reads an error result in its place, and the
// turn goes on. If the service refuses every result of a call, the turn is interrupted.

import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import { failpoint } from '../../src/failpoints.ts';
import { scrub } from '../../src/log.ts';
import type { PostArgs, Posted } from '../../workflows/contract.ts';
import { errorResult, outputRefused } from '../../workflows/model-notices.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { sleep } from '../sleep.ts';
import { withWorkItemToken } from '../work-queue/item-secret.ts';
import { findCall } from './call-events.ts';
import { cleanResult, type Postable } from './clean-result.ts';

/** Within an activity a result need not fit into a history. */
type Post = Omit<PostArgs, 'result'> & { result: Postable };
type PostDeps = Pick<Deps, 'anthropic' | 'config'>;

/** The pauses between attempts. */
const PAUSES_MS = {
  /** A 400 need not be about the content: calls of subagents were refused now and then, and accepted later. */
  result: [500, 1_500, 4_000],
  /** Before a turn is interrupted, which cannot be undone. */
  errorResult: [1_000, 5_000, 15_000],
};
const REASON_CHARS = 300;

/**
 * Posts a result, or ends its turn in another way. Safe to repeat: where the outcome is in doubt, the session's events
 * decide.
 * @throws an error worth a retry
 */
export async function postResult(
  deps: PostDeps,
  args: Post,
  signal: AbortSignal,
  pausesMs = PAUSES_MS,
): Promise<Posted> {
  return withWorkItemToken(deps, args, async (client) => {
    const first = await offer(client, args, cleanResult(args.result), pausesMs.result, signal);
    if (first.outcome !== 'unacceptable') return first;
    const { reason } = first;
    const second = await offer(
      client,
      args,
      errorResult(outputRefused(reason)),
      pausesMs.errorResult,
      signal,
    );
    if (second.outcome === 'accepted') return { outcome: 'replaced', reason };
    if (second.outcome !== 'unacceptable') return second;
    return interrupt(client, args, second.reason, second.threadId);
  });
}

/** `unacceptable`: refused with a status that may be about the content, and the call is still open. */
type Offered =
  | { outcome: 'accepted' | 'answered' }
  | { outcome: 'refused'; reason: string }
  | { outcome: 'unacceptable'; reason: string; threadId?: string };

async function offer(
  client: Anthropic,
  { sessionId, callId }: Post,
  { content, isError }: Postable,
  pausesMs: readonly number[],
  signal: AbortSignal,
): Promise<Offered> {
  const event = { type: 'user.tool_result' as const, tool_use_id: callId, content, is_error: isError };
  for (let attempt = 0; ; attempt += 1) {
    try {
      await client.beta.sessions.events.send(sessionId, { events: [event] });
      failpoint('result-posted', sessionId);
      return { outcome: 'accepted' };
    } catch (error) {
      const status = error instanceof APIError ? error.status : undefined;
      if (status === 401 || status === 403) throw error;
      if (status === 404) return { outcome: 'refused', reason: reasonOf(error) };
      const call = await findCall(client, sessionId, callId);
      if (call.closed) return { outcome: 'answered' };
      const final = classify(error).kind === 'final';
      if ((final || status === 409) && (await hasEnded(client, sessionId)))
        return { outcome: 'refused', reason: reasonOf(error) };
      if (!final) throw error;
      const waitMs = status === 400 ? pausesMs[attempt] : undefined;
      if (waitMs === undefined) {
        const thread = call.threadId ? { threadId: call.threadId } : {};
        return { outcome: 'unacceptable', reason: reasonOf(error), ...thread };
      }
      await sleep(waitMs, signal);
    }
  }
}

/** The last resort. The calls of other threads go on where the call's own thread is known. */
async function interrupt(
  client: Anthropic,
  { sessionId }: Post,
  reason: string,
  threadId: string | undefined,
): Promise<Posted> {
  const thread = threadId ? { session_thread_id: threadId } : {};
  try {
    await client.beta.sessions.events.send(sessionId, { events: [{ type: 'user.interrupt', ...thread }] });
    return { outcome: 'interrupted', reason };
  } catch (error) {
    if (classify(error).kind !== 'final') throw error;
    return { outcome: 'refused', reason: `${reason}; the interrupt, too: ${reasonOf(error)}` };
  }
}

async function hasEnded(client: Anthropic, sessionId: string): Promise<boolean> {
  const { status, archived_at } = await client.beta.sessions.retrieve(sessionId);
  return status === 'terminated' || archived_at !== null;
}

/** Printable and short, so that the service does not refuse it again. */
function reasonOf(error: unknown): string {
  const message = scrub(error instanceof Error ? error.message : String(error));
  return message.replace(/[^\x20-\x7e]/g, '?').slice(0, REASON_CHARS);
}
