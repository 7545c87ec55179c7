// Posts a result that the workflow has kept because it could not be posted at once. Its images and documents, which no
// history takes, are fetched from the toolhost once more.
import { Context } from '@temporalio/activity';
import { shareForAnswer } from '../../src/clients/byte-budget.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import { waitingResults } from '../../src/metrics/metrics.ts';
import type { Content } from '../../toolhost/protocol.ts';
import type { CallResult, PostArgs, Posted } from '../../workflows/contract.ts';
import { MEDIA_LOST } from '../../workflows/model-notices.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { setHeartbeatDetails } from '../heartbeat.ts';
import { type OpenSandboxes, SandboxLost } from '../sandbox/open-sandboxes.ts';
import { withWorkItemToken } from '../work-queue/item-secret.ts';
import { findCall } from './call-events.ts';
import type { Postable } from './clean-result.ts';
import { type Attempt, withToolhost } from './hand-over.ts';
import { Patience, PatienceOver } from './patience.ts';
import { postResult } from './post-result.ts';

/** An attempt takes two minutes at most, and the next one follows within 30 seconds, maybe on another worker. */
const WAITS_MS = 3 * 60_000;

export function createPostKeptResult(deps: Deps, sandboxes: OpenSandboxes) {
  const post = postKept(deps, sandboxes);
  return {
    postResult: defineActivity(async (args: PostArgs): Promise<Posted> => {
      waitingResults.set(args.callId, true, WAITS_MS);
      try {
        const posted = await post(args);
        waitingResults.delete(args.callId);
        return posted;
      } catch (error) {
        // The call was closed meanwhile, or another worker tries next.
        if (Context.current().cancellationSignal.aborted) waitingResults.delete(args.callId);
        throw error;
      }
    }),
  };
}

function postKept(deps: Deps, sandboxes: OpenSandboxes) {
  return async ({ result: kept, ...call }: PostArgs): Promise<Posted> => {
    const { cancellationSignal: signal, info } = Context.current();
    if (!kept.mediaIn) return postResult(deps, { ...call, result: kept }, signal);
    // No sandbox is resumed for a call that is closed, or while the service does not answer.
    const { sessionId, callId } = call;
    const { closed } = await withWorkItemToken(deps, call, (client) => findCall(client, sessionId, callId));
    if (closed) return { outcome: 'answered' };
    const patience = new Patience(0, info.heartbeatDetails);
    setHeartbeatDetails(() => patience.details);
    const share = shareForAnswer();
    const delivery = { maybe: true };
    const attempt = { deps, sandboxes, sandboxId: kept.mediaIn, patience, delivery, share, signal };
    try {
      const media = await fetchMedia(attempt, callId);
      return await postResult(deps, { ...call, result: withMedia(kept, media) }, signal);
    } finally {
      share.release();
    }
  };
}

/** Empty if they are lost. */
async function fetchMedia(attempt: Attempt, callId: string): Promise<Content[]> {
  const { share, patience, signal } = attempt;
  try {
    const call = await withToolhost(attempt, 0, (toolhost) =>
      patience
        .during(() => toolhost.read(callId, 0, signal, share))
        .catch((error: unknown) => {
          // The sandbox went back to a state from before the call.
          if (error instanceof SandboxHttpError && error.status === 404) return undefined;
          throw error;
        }),
    );
    return call?.result?.content.filter((block) => block.type !== 'text') ?? [];
  } catch (error) {
    if (error instanceof SandboxLost || error instanceof PatienceOver) return [];
    // For the next attempt, which has the rest of the patience.
    Context.current().heartbeat(patience.details);
    throw error;
  }
}

function withMedia({ content, isError }: CallResult, media: Content[]): Postable {
  if (media.length > 0) return { content: [...content, ...media], isError };
  return { content: [...content, { type: 'text', text: MEDIA_LOST }], isError: true };
}
