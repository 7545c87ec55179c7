// Tool calls: handed to the toolhost in the session's sandbox, which runs each at most once, and answered.
import { Context, type Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type Toolhost, type ToolhostCall, ToolhostError } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import type { OutputList } from '../../toolhost/protocol.ts';
import type { Outputs } from '../../workflows/session/equipment.ts';
import { type CallResult, errorResult } from '../../workflows/session/state.ts';
import { guard, pause } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { FINAL } from '../errors.ts';
import { type OpenSandboxes, SandboxGone } from '../sandbox/open-sandboxes.ts';
import { ensureToolhost, toolhostOf } from '../sandbox/toolhost-setup.ts';
import type { SessionViews } from '../session/session-views.ts';
import { asItem } from '../work-queue/item-secret.ts';
import { findCall } from './call-events.ts';
import { cleanResult } from './clean-result.ts';
import { postResult } from './post-result.ts';

export interface RunArgs {
  sessionId: string;
  sandboxId: string;
  /** `stray`: found without a work item; what becomes of it, unless its result is kept, is a setting. */
  call: { id: string; name: string; stray?: boolean };
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
/** One wait for the end of a call: shorter than any proxy on the way allows. */
const WAIT_MS = 25_000;
const TOOLHOST_RETRY_MS = 300;
/** So often a toolhost that is away is brought back before the activity's own retries take over. */
const TOOLHOST_ATTEMPTS = 3;

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
const FORGOTTEN =
  'The sandbox went back to an earlier state while this command ran. Whether it had an effect is unknown.';

export function createToolCallActivities(deps: Deps, sandboxes: OpenSandboxes, views: SessionViews) {
  return {
    /** Runs one call and posts its result. Safe to retry: a later attempt attaches to the call. */
    runToolCall: guard(async (args: RunArgs): Promise<Ran> => {
      const { cancellationSignal, info } = Context.current();
      const delivery = { maybe: info.attempt > 1 && !failedUndelivered(info) };
      try {
        const found = await inputOf(deps, views, args);
        if (found.closed) return { outcome: 'answered' };
        if (found.input === undefined) throw unknownCall(args);
        const call = {
          name: args.call.name,
          input: found.input,
          timeoutMs: timeoutOf(found.input),
          session: args.sessionId,
        };
        const left = args.call.stray && (await leftBehind(deps, sandboxes, args, cancellationSignal));
        if (left) return left;
        const ended = await handOver(deps, sandboxes, args, call, delivery, cancellationSignal);
        failpoint('call-finished', args.sessionId);
        if (ended.state === 'cancelled') return { outcome: 'cancelled' };
        const outputs = newOutputs(ended.outputs, args.outputsSeen);
        return {
          ...(await answer(deps, args, resultOf(ended, args))),
          ...(outputs ? { outputs } : {}),
        };
      } catch (error) {
        if (!(error instanceof SandboxGone)) {
          // Said in the last heartbeat and only there: an attempt that dies leaves it open.
          if (!delivery.maybe) Context.current().heartbeat({ failedUndelivered: info.attempt });
          throw error;
        }
        sandboxes.forget(args.sandboxId);
        return { outcome: 'sandbox gone', started: delivery.maybe };
      }
    }),

    /** Ends the call in the sandbox; one that never came there will not run. */
    cancelToolCall: guard(async (args: { sandboxId: string; callId: string }): Promise<void> => {
      const { cancellationSignal } = Context.current();
      try {
        const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
        await toolhost.cancel(args.callId, cancellationSignal);
      } catch (error) {
        // Where the call is unknown there is nothing to cancel.
        if (error instanceof SandboxGone || (error instanceof ToolhostError && error.status === 404)) return;
        sandboxes.forget(args.sandboxId);
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
async function inputOf(deps: Deps, views: SessionViews, { sessionId, call, sealedSecret }: RunArgs) {
  const view = views.get(sessionId);
  if (view?.isAnswered(call.id)) return { closed: true };
  const seen = view?.inputOf(call.id);
  if (seen) return { closed: false, input: seen.input };
  return asItem(deps, sealedSecret, (client) => findCall(client, sessionId, call.id));
}

/** @returns what became of a call that nobody ran; null if it is run after all, or its result is kept */
async function leftBehind(
  deps: Deps,
  sandboxes: OpenSandboxes,
  args: RunArgs,
  signal: AbortSignal,
): Promise<Ran | null> {
  if (deps.config.stuckCalls === 'run') return null;
  const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
  const kept = await toolhost.read(args.call.id, 0, signal).catch((error: unknown) => {
    if (error instanceof ToolhostError && error.status === 404) return null;
    throw error;
  });
  if (kept) return null;
  if (deps.config.stuckCalls === 'answer') return answer(deps, args, errorResult(LEFT_BEHIND));
  const events = [{ type: 'user.interrupt' as const }];
  await asItem(deps, args.sealedSecret, (client) =>
    client.beta.sessions.events.send(args.sessionId, { events }),
  );
  return { outcome: 'cancelled' };
}

async function handOver(
  deps: Deps,
  sandboxes: OpenSandboxes,
  { sessionId, sandboxId, call: { id } }: RunArgs,
  call: { name: string; input: unknown; timeoutMs: number; session: string },
  delivery: { maybe: boolean },
  signal: AbortSignal,
): Promise<ToolhostCall> {
  for (let attempt = 1; ; attempt += 1) {
    const sandbox = await sandboxes.open(sandboxId, call.timeoutMs);
    try {
      if (attempt > 1) await ensureToolhost(deps, sandbox);
      const toolhost = deps.e2b.toolhost(sandbox);
      failpoint('call-handed', sessionId);
      const started = await toolhost.start(id, call, WAIT_MS, signal);
      delivery.maybe = true;
      return await untilEnded(toolhost, started, signal);
    } catch (error) {
      if (!(error instanceof ToolhostError)) throw error;
      if (!neverArrived(error)) delivery.maybe = true;
      // The next connection asks the control plane, which knows whether the sandbox is paused, or gone.
      sandboxes.forget(sandboxId);
      if (attempt >= TOOLHOST_ATTEMPTS) throw error;
      await pause(TOOLHOST_RETRY_MS * attempt, signal);
    }
  }
}

async function untilEnded(
  toolhost: Toolhost,
  started: ToolhostCall,
  signal: AbortSignal,
): Promise<ToolhostCall> {
  let call = started;
  try {
    while (call.state === 'running') call = await toolhost.read(call.id, WAIT_MS, signal);
    return call;
  } catch (error) {
    if (!(error instanceof ToolhostError) || error.status !== 404) throw error;
    return { ...call, state: 'cut_off', result: errorResult(FORGOTTEN) };
  }
}

/** Bounded for the history: so many names, none longer than a line. */
const OUTPUTS_SHOWN = 10;
const NAME_CHARS = 120;

function newOutputs(list: OutputList | undefined, seen: string | undefined): Outputs | null {
  if (!list) return null;
  const { count, bytes, complete } = list;
  const newest = list.files[0]?.modifiedAt ?? '';
  const mark = `${count} ${bytes} ${newest}`;
  if (mark === seen) return null;
  const files = list.files
    .slice(0, OUTPUTS_SHOWN)
    .map(({ path, size }) => ({ path: path.slice(0, NAME_CHARS), size }));
  return { mark, files, count, bytes, complete };
}

async function answer(deps: Deps, args: RunArgs, output: CallResult): Promise<RanOutcome> {
  const { sessionId, call, sealedSecret } = args;
  const result = cleanResult(output);
  const { cancellationSignal } = Context.current();
  try {
    const post = { sessionId, callId: call.id, result, sealedSecret };
    const posted = await postResult(deps, post, cancellationSignal);
    if (posted.outcome === 'accepted') return { outcome: result.isError ? 'failed' : 'done' };
    return posted;
  } catch {
    // The result is in hand: the workflow keeps it, and posts it with patience of its own.
    return { outcome: 'unposted', result };
  }
}

function resultOf({ result }: ToolhostCall, { tellLost, tellOlder, memoryAway }: RunArgs): CallResult {
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

/** The proxy in front of the sandboxes says so itself: no process in the sandbox saw the request. */
function neverArrived(error: ToolhostError): boolean {
  return error.status === 502 && /not found|not open/i.test(error.message);
}

function unknownCall({ sessionId, call }: RunArgs): ApplicationFailure {
  const message = `session ${sessionId} holds no call ${call.id}`;
  return ApplicationFailure.create({ type: FINAL, nonRetryable: true, message });
}
