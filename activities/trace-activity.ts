// The spans of activities that run for a session or for a shared sandbox. A tool call is one span, named like that of the official worker, from
// its scheduling to the accepted result: the attempt that finishes it makes it, so a worker that dies doubles nothing.
// Every other activity is one span an attempt. Inputs, results and messages of errors are in none of them.
import type { Context, Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { type EndSpan, endSpan, failSpan, inSpan, type SpanSpec, spansEnabled } from '../src/traces/spans.ts';
import { FINAL, isFailed, type Ran, type RunArgs } from '../workflows/contract.ts';
import { SANDBOX_WORKFLOW } from '../workflows/messages.ts';
import { workKey } from './work-queue/work-span.ts';

/** Watches last for days and checks repeat; a claim is for any session, and each item that it takes has a span. */
const UNTRACED = new Set(['watchSession', 'watchQueue', 'checkSession', 'claimWork']);
/** A name comes from the model. */
const NAME_CHARS = 64;

/** What activities have among their arguments. */
interface KnownArgs {
  workId?: string;
  callId?: string;
  sandboxId?: string | null;
}

/** Runs the activity in its span, if it runs for a session or a shared sandbox and spans are enabled. */
export function traceActivity<Result>(
  { info }: Context,
  args: unknown,
  run: () => Promise<Result>,
): Promise<Result> {
  const of = spansEnabled() && subjectOf(info);
  if (!of || UNTRACED.has(info.activityType)) return run();
  if (info.activityType !== 'runToolCall')
    return inSpan(activitySpan(info, of, (args ?? {}) as KnownArgs), run, endActivity);
  const end = endToolCall as EndSpan<unknown>;
  return inSpan(toolCallSpan(info, of, args as RunArgs), run, end);
}

function subjectOf({ workflowExecution, workflowType }: Info): SpanSpec['of'] | undefined {
  const workflowId = workflowExecution?.workflowId ?? '';
  if (workflowType === SANDBOX_WORKFLOW) return { workflowId };
  const [, sessionId] = /(?:^|\.)session-([^.]+)$/.exec(workflowId) ?? [];
  return sessionId === undefined ? undefined : { sessionId };
}

function activitySpan(info: Info, of: SpanSpec['of'], { workId, callId, sandboxId }: KnownArgs): SpanSpec {
  const action = info.activityType.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return {
    name: `managed_agents_router.${action}`,
    of,
    key: `${activityKey(info)} ${info.attempt}`,
    // The item's own span ends with the stop.
    parentKey: workKey(workId),
    attributes: {
      ...temporalAttributes(info),
      ...(workId ? { 'anthropic.environment.work.id': workId } : {}),
      ...(callId ? { 'gen_ai.tool.call.id': callId } : {}),
      ...(sandboxId ? { 'e2b.sandbox.id': sandboxId } : {}),
    },
  };
}

const endActivity: EndSpan<unknown> = (span, how) => {
  if ('error' in how && how.error instanceof CancelledFailure) return span.end();
  const found = 'result' in how ? (how.result as KnownArgs | undefined)?.sandboxId : undefined;
  if (found) span.setAttribute('e2b.sandbox.id', found);
  if (!('result' in how) || !hasFailedPart(how.result)) return endSpan(span, how);
  failSpan(span, FINAL);
  span.end();
};

function hasFailedPart(result: unknown): boolean {
  return Object.values(result ?? {}).some(isFailed);
}

function toolCallSpan(info: Info, of: SpanSpec['of'], { call, sandboxId, workId }: RunArgs): SpanSpec {
  const name = call.name.slice(0, NAME_CHARS);
  return {
    name: `anthropic.tool_use ${name}`,
    of,
    // A result that an operator has posted again is another span of the same call.
    key: call.repost ? activityKey(info) : `call ${call.id}`,
    parentKey: workKey(workId),
    startedAt: info.scheduledTimestampMs,
    attributes: {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.tool.name': name,
      'gen_ai.tool.type': 'function',
      'gen_ai.tool.call.id': call.id,
      ...(call.threadId
        ? { 'gen_ai.conversation.id': call.threadId, 'anthropic.session.thread.id': call.threadId }
        : {}),
      ...(workId ? { 'anthropic.environment.work.id': workId } : {}),
      'e2b.sandbox.id': sandboxId,
      ...temporalAttributes(info),
    },
  };
}

/** Outcomes that are no failure of the tool or of the router: the call was closed by someone else. */
const CLOSED = new Set<Ran['outcome']>(['cancelled', 'answered']);

const endToolCall: EndSpan<Ran> = (span, how) => {
  if ('error' in how) {
    const { error } = how;
    if (error instanceof CancelledFailure) span.end();
    // Another attempt goes on with the call, and makes the span.
    else if (error instanceof ApplicationFailure && error.nonRetryable) endSpan(span, how);
    return;
  }
  const ran = how.result;
  // Not handed over: the call runs in another sandbox.
  if (ran.outcome === 'sandbox lost' && !ran.started) return;
  span.setAttribute('managed_agents_router.outcome', ran.outcome);
  if (ran.outcome === 'done') return endSpan(span, how);
  if (!CLOSED.has(ran.outcome)) failSpan(span, ran.outcome === 'failed' ? 'tool_error' : ran.outcome);
  span.end();
};

function activityKey({ workflowExecution, activityId }: Info): string {
  return `activity ${workflowExecution?.runId} ${activityId}`;
}

/** Named as Temporal's own interceptors name them. */
function temporalAttributes({ workflowExecution, activityId, attempt }: Info) {
  return {
    temporalWorkflowId: workflowExecution?.workflowId ?? '',
    temporalRunId: workflowExecution?.runId ?? '',
    temporalActivityId: activityId,
    'managed_agents_router.attempt': attempt,
  };
}
