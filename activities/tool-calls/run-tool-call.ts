// Tool calls: handed to the toolhost in the session's sandbox, which runs each at most once, and answered.
import { Context, type Info } from '@temporalio/activity';
import type { ApplicationFailure } from '@temporalio/common';
import { shareForAnswer } from '../../src/clients/byte-budget.ts';
import { excerpt } from '../../src/clients/excerpt.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { OutputListing, ToolhostCall } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import {
  MOST_OUTPUTS_SHOWN,
  type Outputs,
  type Ran,
  type RanOutcome,
  type RunArgs,
} from '../../workflows/contract.ts';
import {
  CALL_ORPHANED,
  CUT_OFF,
  errorResult,
  FILES_NOTICES,
  withoutMemory,
} from '../../workflows/model-notices.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify, finalFailure } from '../errors.ts';
import { setHeartbeatDetails } from '../heartbeat.ts';
import { type OpenSandboxes, SandboxLost } from '../sandbox/open-sandboxes.ts';
import { toolhostOf } from '../sandbox/toolhost-setup.ts';
import type { SessionViews } from '../session/session-views.ts';
import { withWorkItemToken } from '../work-queue/item-secret.ts';
import { findCall } from './call-events.ts';
import { cleanResult, type Postable } from './clean-result.ts';
import { type Attempt, handOver, withToolhost } from './hand-over.ts';
import { measureCall } from './measure-call.ts';
import { Patience, PatienceOver } from './patience.ts';
import { postResult } from './post-result.ts';

/** As the official toolset has it, unless a call of `bash` names its own. */
const CALL_TIMEOUT_MS = 120_000;
const LONGEST_CALL_MS = 600_000;

export function createToolCallActivities(deps: Deps, sandboxes: OpenSandboxes, views: SessionViews) {
  return {
    /** Runs one call and posts its result. Safe to retry: a later attempt attaches to the call. */
    runToolCall: defineActivity(
      (args: RunArgs): Promise<Ran> =>
        measureCall(args.call.name, async (inSandbox) => {
          const { cancellationSignal: signal, info } = Context.current();
          const delivery = { maybe: info.attempt > 1 && !failedUndelivered(info) };
          const share = shareForAnswer();
          let patience = new Patience(CALL_TIMEOUT_MS, info.heartbeatDetails);
          setHeartbeatDetails(() => patience.details);
          try {
            const found = await inputOf(deps, views, args);
            if (found.closed) return { outcome: 'answered' };
            if (found.input === undefined) throw unknownCall(args);
            const { id, name, threadId } = args.call;
            const thread = threadId ? { thread: threadId } : {};
            const timeoutMs = timeoutOf(found.input);
            patience = new Patience(timeoutMs, info.heartbeatDetails);
            const { sandboxId, sessionId: session } = args;
            const attempt = { deps, sandboxes, sandboxId, patience, delivery, share, signal };
            if (args.call.repost && !(await hasResult(attempt, id)))
              return { outcome: 'refused', reason: 'its result is no longer in the sandbox' };
            const left = args.call.orphaned && (await leftBehind(attempt, args));
            if (left) return left;
            const ended = await inSandbox(() =>
              handOver(attempt, {
                id,
                name,
                input: found.input,
                timeoutMs,
                session,
                ...thread,
              }),
            );
            failpoint('call-finished', args.sessionId);
            if (ended.state === 'cancelled') return { outcome: 'cancelled' };
            const outputs = newOutputs(ended.outputs, args.outputsSeen);
            const answered = await answer(deps, args, resultOf(ended, args));
            const { outcome } = answered;
            deps.log.info(
              { sessionId: session, sandboxId, callId: id, tool: name, outcome },
              'tool call ended',
            );
            return {
              ...answered,
              ...(outputs ? { outputs } : {}),
            };
          } catch (error) {
            if (error instanceof SandboxLost) {
              sandboxes.forget(args.sandboxId);
              return { outcome: 'sandbox lost', started: delivery.maybe };
            }
            if (error instanceof PatienceOver) throw await giveUp(deps, sandboxes, args, error, delivery);
            // In the last heartbeat only: after an attempt whose worker died it is not certain.
            const undelivered = delivery.maybe ? {} : { failedUndelivered: info.attempt };
            Context.current().heartbeat({ ...patience.details, ...undelivered });
            throw error;
          } finally {
            share.release();
          }
        }).then(noteRetry),
    ),

    /** The toolhost also refuses a cancelled call that arrives later. */
    cancelToolCall: defineActivity(async (args: { sandboxId: string; callId: string }): Promise<void> => {
      const { cancellationSignal } = Context.current();
      try {
        const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
        await toolhost.cancel(args.callId, cancellationSignal);
      } catch (error) {
        if (error instanceof SandboxLost) return;
        sandboxes.forget(args.sandboxId);
        // Refused for good: where the call is unknown there is nothing to cancel, and asking again changes nothing.
        if (error instanceof SandboxHttpError && classify(error).kind !== 'retry') return;
        throw error;
      }
    }),
  };
}

/** The worker of an earlier attempt may have died, and the session's watch with it. */
function noteRetry(ran: Ran): Ran {
  return Context.current().info.attempt > 1 ? { ...ran, retried: true } : ran;
}

/** Whether the attempt before this one, and so each before it, ended without having handed the call over. */
function failedUndelivered({ attempt, heartbeatDetails }: Info): boolean {
  const said = heartbeatDetails as { failedUndelivered?: unknown } | null | undefined;
  return said?.failedUndelivered === attempt - 1;
}

/** From the events that this process watches, else from the service. */
async function inputOf(deps: Deps, views: SessionViews, args: RunArgs) {
  const { sessionId, call } = args;
  const view = views.get(sessionId);
  if (view?.isAnswered(call.id)) return { closed: true };
  const seen = view?.inputOf(call.id);
  if (seen) return { closed: false, input: seen.input };
  return withWorkItemToken(deps, args, (client) => findCall(client, sessionId, call.id));
}

/** @returns the outcome of an orphaned call that is not run; null if it is run, or its result is already in the toolhost */
async function leftBehind(attempt: Attempt, args: RunArgs): Promise<Ran | null> {
  const { deps } = attempt;
  if (deps.config.stuckCalls === 'run' || (await hasResult(attempt, args.call.id))) return null;
  if (deps.config.stuckCalls === 'answer') return answer(deps, args, errorResult(CALL_ORPHANED));
  const events = [{ type: 'user.interrupt' as const }];
  await withWorkItemToken(deps, args, (client) =>
    client.beta.sessions.events.send(args.sessionId, { events }),
  );
  return { outcome: 'cancelled' };
}

/** Whether the toolhost knows the call: it runs there, or has run. */
async function hasResult(attempt: Attempt, callId: string): Promise<boolean> {
  const { share, patience, signal } = attempt;
  const kept = await withToolhost(attempt, 0, (toolhost) =>
    patience
      .during(() => toolhost.read(callId, 0, signal, share))
      .catch((error: unknown) => {
        if (error instanceof SandboxHttpError && error.status === 404) return null;
        throw error;
      }),
  );
  return kept !== null;
}

/** Ends the call for the model, and in its sandbox if that still answers. */
async function giveUp(
  deps: Deps,
  sandboxes: OpenSandboxes,
  { sessionId, sandboxId, call }: RunArgs,
  over: PatienceOver,
  delivery: { maybe: boolean },
): Promise<ApplicationFailure> {
  const { cancellationSignal } = Context.current();
  try {
    await deps.e2b.toolhost(await sandboxes.open(sandboxId)).cancel(call.id, cancellationSignal);
  } catch {
    // The sandbox does not answer this either.
  }
  sandboxes.forget(sandboxId);
  deps.log.warn({ sessionId, sandboxId, callId: call.id, reason: over.message }, 'call given up');
  const effect = delivery.maybe ? 'It may have had an effect.' : 'It was not run.';
  return finalFailure(`${over.message}. ${effect}`);
}

const NAME_CHARS = 120;

function newOutputs(list: OutputListing | undefined, seen: string | undefined): Outputs | null {
  if (!list) return null;
  const { count, bytes, complete } = list;
  const newest = list.files[0]?.modifiedAt ?? '';
  const mark = `${count} ${bytes} ${newest}`;
  if (mark === seen) return null;
  const files = list.files
    .slice(0, MOST_OUTPUTS_SHOWN)
    .map(({ path, size }) => ({ path: excerpt(path, NAME_CHARS), size }));
  return { mark, files, count, bytes, complete };
}

async function answer(deps: Deps, args: RunArgs, output: Postable): Promise<RanOutcome> {
  const { sessionId, call, sealedSecret } = args;
  const result = cleanResult(output);
  const { cancellationSignal } = Context.current();
  try {
    const post = { sessionId, callId: call.id, result, sealedSecret };
    const posted = await postResult(deps, post, cancellationSignal);
    if (posted.outcome === 'accepted') return { outcome: result.isError ? 'failed' : 'done' };
    return posted;
  } catch {
    // The result is in hand: the workflow keeps it, and posts it with patience of its own. No history takes an image:
    // that stays in the toolhost until then.
    const { content, isError } = result;
    const texts = content.filter((block) => block.type === 'text');
    const media = texts.length < content.length ? { mediaIn: args.sandboxId } : {};
    return { outcome: 'unposted', result: { content: texts, isError, ...media } };
  }
}

function resultOf({ result }: ToolhostCall, { modelNotice, memoryUnavailable }: RunArgs): Postable {
  const { content, isError } = result ?? errorResult(CUT_OFF);
  const news = [
    ...(modelNotice ? [FILES_NOTICES[modelNotice]] : []),
    ...(memoryUnavailable ? [withoutMemory(memoryUnavailable)] : []),
  ];
  return { content: [...news.map((text) => ({ type: 'text' as const, text })), ...content], isError };
}

function timeoutOf(input: unknown): number {
  const asked = (input as { timeout_ms?: unknown } | null)?.timeout_ms;
  return typeof asked === 'number' && asked > 0 ? Math.min(asked, LONGEST_CALL_MS) : CALL_TIMEOUT_MS;
}

function unknownCall({ sessionId, call }: RunArgs): ApplicationFailure {
  const message = `session ${sessionId} holds no call ${call.id}`;
  return finalFailure(message);
}
