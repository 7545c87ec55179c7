// Tool calls: handed to the toolhost in the session's sandbox, which runs each at most once, and answered.
import { Context, type Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { holdOfPieces } from '../../src/clients/byte-budget.ts';
import { excerpt } from '../../src/clients/excerpt.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { OutputListing, ToolhostCall } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import { type CallResult, errorResult } from '../../workflows/session/call-result.ts';
import type { Outputs } from '../../workflows/session/equipment.ts';
import { guard, heartbeatLater } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify, FINAL } from '../errors.ts';
import { type OpenSandboxes, SandboxGone } from '../sandbox/open-sandboxes.ts';
import { toolhostOf } from '../sandbox/toolhost-setup.ts';
import type { SessionViews } from '../session/session-views.ts';
import { asItem } from '../work-queue/item-secret.ts';
import { findCall } from './call-events.ts';
import { cleanResult, type Postable } from './clean-result.ts';
import { type Attempt, handOver, withToolhost } from './hand-over.ts';
import { Patience, PatienceOver } from './patience.ts';
import { postResult } from './post-result.ts';

export interface RunArgs {
  sessionId: string;
  sandboxId: string;
  /** `stray`: found without a work item; what becomes of it, unless its result is kept, is a setting. */
  call: { id: string; name: string; threadId?: string; stray?: boolean };
  sealedSecret: string | null;
  /** Tell the model that the sandbox's predecessor was lost with its files. */
  tellLost: boolean;
  /** Tell the model that the sandbox came back in an earlier state. */
  tellOlder?: boolean;
  /** Tell the model that the memory stores cannot be reached, for this reason. */
  memoryAway?: string;
  /** Mark of the outputs that the workflow knows; absent if it knows none. */
  outputsSeen?: string;
}

/** `outputs`: what the session has put out, if it has changed since `outputsSeen`. */
export type Ran = { outputs?: Outputs } & RanOutcome;

type RanOutcome =
  /** Ran and its result was accepted; `failed` is a result that says that the tool failed. */
  | { outcome: 'done' | 'failed' }
  /** Nobody waits for a result any more. */
  | { outcome: 'answered' | 'cancelled' }
  /** What became of the result: tool-calls/post-result.ts. */
  | { outcome: 'replaced' | 'interrupted' | 'refused'; reason: string }
  | { outcome: 'unposted'; result: CallResult }
  /** `started`: the call may have had an effect. */
  | { outcome: 'sandbox gone'; started: boolean };

/** As the official toolset has it, unless a call of `bash` names its own. */
const CALL_TIMEOUT_MS = 120_000;
const LONGEST_CALL_MS = 600_000;
const LOST_FILES =
  '[The sandbox of this session was lost. This is a new one: files written earlier no longer exist.]';
const OLDER_FILES =
  '[The sandbox of this session was resumed in an earlier state: what was done in it last is undone. Check files ' +
  'before you rely on them.]';
const withoutMemory = (reason: string) =>
  `[Memory is not available now (${reason}): its folders may not show what is saved. What is written there is saved ` +
  'when memory is back, if the sandbox still exists by then.]';
const LEFT_BEHIND = 'The command was left behind when its worker went away; it was not run.';
const NO_RESULT = 'The command was cut off when its sandbox was restarted; it may have had an effect.';

export function createToolCallActivities(deps: Deps, sandboxes: OpenSandboxes, views: SessionViews) {
  return {
    /** Runs one call and posts its result. Safe to retry: a later attempt attaches to the call. */
    runToolCall: guard(async (args: RunArgs): Promise<Ran> => {
      const { cancellationSignal: signal, info } = Context.current();
      const delivery = { maybe: info.attempt > 1 && !failedUndelivered(info) };
      const hold = holdOfPieces();
      let patience = new Patience(CALL_TIMEOUT_MS, info.heartbeatDetails);
      heartbeatLater(() => patience.details);
      try {
        const found = await inputOf(deps, views, args);
        if (found.closed) return { outcome: 'answered' };
        if (found.input === undefined) throw unknownCall(args);
        const { id, name, threadId } = args.call;
        const thread = threadId ? { thread: threadId } : {};
        const timeoutMs = timeoutOf(found.input);
        patience = new Patience(timeoutMs, info.heartbeatDetails);
        const { sandboxId, sessionId: session } = args;
        const attempt = { deps, sandboxes, sandboxId, patience, delivery, hold, signal };
        const left = args.call.stray && (await leftBehind(attempt, args));
        if (left) return left;
        const ended = await handOver(attempt, {
          id,
          name,
          input: found.input,
          timeoutMs,
          session,
          ...thread,
        });
        failpoint('call-finished', args.sessionId);
        if (ended.state === 'cancelled') return { outcome: 'cancelled' };
        const outputs = newOutputs(ended.outputs, args.outputsSeen);
        return {
          ...(await answer(deps, args, resultOf(ended, args))),
          ...(outputs ? { outputs } : {}),
        };
      } catch (error) {
        if (error instanceof SandboxGone) {
          sandboxes.forget(args.sandboxId);
          return { outcome: 'sandbox gone', started: delivery.maybe };
        }
        if (error instanceof PatienceOver) throw await giveUp(deps, sandboxes, args, error, delivery);
        // Said in the last heartbeat and only there: an attempt that dies leaves it open.
        const undelivered = delivery.maybe ? {} : { failedUndelivered: info.attempt };
        Context.current().heartbeat({ ...patience.details, ...undelivered });
        throw error;
      } finally {
        hold.release();
      }
    }),

    /** Ends the call in the sandbox; one that never came there will not run. */
    cancelToolCall: guard(async (args: { sandboxId: string; callId: string }): Promise<void> => {
      const { cancellationSignal } = Context.current();
      try {
        const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
        await toolhost.cancel(args.callId, cancellationSignal);
      } catch (error) {
        if (error instanceof SandboxGone) return;
        sandboxes.forget(args.sandboxId);
        // Refused for good: where the call is unknown there is nothing to cancel, and asking again changes nothing.
        if (error instanceof SandboxHttpError && classify(error).kind !== 'retry') return;
        throw error;
      }
    }),
  };
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
  return asItem(deps, args, (client) => findCall(client, sessionId, call.id));
}

/** @returns what became of a call that nobody ran; null if it is run after all, or its result is kept */
async function leftBehind(attempt: Attempt, args: RunArgs): Promise<Ran | null> {
  const { deps, hold, patience, signal } = attempt;
  if (deps.config.stuckCalls === 'run') return null;
  const kept = await withToolhost(attempt, 0, (toolhost) =>
    patience
      .during(() => toolhost.read(args.call.id, 0, signal, hold))
      .catch((error: unknown) => {
        if (error instanceof SandboxHttpError && error.status === 404) return null;
        throw error;
      }),
  );
  if (kept) return null;
  if (deps.config.stuckCalls === 'answer') return answer(deps, args, errorResult(LEFT_BEHIND));
  const events = [{ type: 'user.interrupt' as const }];
  await asItem(deps, args, (client) => client.beta.sessions.events.send(args.sessionId, { events }));
  return { outcome: 'cancelled' };
}

/** The call ends here, for the model too. What it still does in its sandbox is ended, if the sandbox lets us. */
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
    // Not the first thing that it does not answer.
  }
  sandboxes.forget(sandboxId);
  deps.log.warn({ sessionId, sandboxId, callId: call.id, reason: over.message }, 'call given up');
  const effect = delivery.maybe ? 'It may have had an effect.' : 'It was not run.';
  return ApplicationFailure.create({
    type: FINAL,
    nonRetryable: true,
    message: `${over.message}. ${effect}`,
  });
}

/** Bounded for the history: so many names, none longer than a line. */
const OUTPUTS_SHOWN = 10;
const NAME_CHARS = 120;

function newOutputs(list: OutputListing | undefined, seen: string | undefined): Outputs | null {
  if (!list) return null;
  const { count, bytes, complete } = list;
  const newest = list.files[0]?.modifiedAt ?? '';
  const mark = `${count} ${bytes} ${newest}`;
  if (mark === seen) return null;
  const files = list.files
    .slice(0, OUTPUTS_SHOWN)
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

function resultOf({ result }: ToolhostCall, { tellLost, tellOlder, memoryAway }: RunArgs): Postable {
  const { content, isError } = result ?? errorResult(NO_RESULT);
  const news = [
    ...(tellLost ? [LOST_FILES] : tellOlder ? [OLDER_FILES] : []),
    ...(memoryAway ? [withoutMemory(memoryAway)] : []),
  ];
  return { content: [...news.map((text) => ({ type: 'text' as const, text })), ...content], isError };
}

function timeoutOf(input: unknown): number {
  const asked = (input as { timeout_ms?: unknown } | null)?.timeout_ms;
  return typeof asked === 'number' && asked > 0 ? Math.min(asked, LONGEST_CALL_MS) : CALL_TIMEOUT_MS;
}

function unknownCall({ sessionId, call }: RunArgs): ApplicationFailure {
  const message = `session ${sessionId} holds no call ${call.id}`;
  return ApplicationFailure.create({ type: FINAL, nonRetryable: true, message });
}
