// Spans of sessions and of shared sandboxes. The ids of a span are derived from the session, or the sandbox's workflow, and from what the span is about, not drawn at random:
// spans of several processes make one tree without anything being handed on through Temporal, and workflow code, its
// histories and their replay know nothing of them. Without an endpoint for traces nothing here does anything.
import { createHash } from 'node:crypto';
import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { VERSION } from '../version.ts';

export interface SpanSpec {
  name: string;
  /** What it belongs to: all spans of a session are one trace, and all of the workflow of a shared sandbox. */
  of: { sessionId: string } | { workflowId: string };
  /** Unique within the trace: the span's id is derived from it. A span that is made twice has one id. */
  key: string;
  /** Key of the parent, which another process may make, and later; absent at the top of the trace. */
  parentKey?: string | undefined;
  /** Epoch ms; default: now. */
  startedAt?: number;
  kind?: SpanKind;
  attributes: Attributes;
}

/** Ends a span, or leaves it open: what is left open is never sent. */
export type EndSpan<Result> = (span: Span, how: { result: Result } | { error: unknown }) => void;

let enabled = false;
let starting: { traceId: string; spanId: string } | undefined;

/** From now on spans are made, by the tracer provider that is registered. */
export function enableSpans(): void {
  enabled = true;
}

export function spansEnabled(): boolean {
  return enabled;
}

/** For the generator of ids: those of the span that is being started; undefined if it is none of ours. */
export function idsOfStartingSpan(): { traceId: string; spanId: string } | undefined {
  return starting;
}

/** Runs `run` with the span current. The error of `run` is thrown on. */
export async function inSpan<Result>(
  spec: SpanSpec | undefined,
  run: () => Promise<Result>,
  end: EndSpan<Result> = endSpan,
): Promise<Result> {
  if (!enabled || !spec) return run();
  const span = startSpan(spec);
  try {
    const result = await context.with(trace.setSpan(context.active(), span), run);
    end(span, { result });
    return result;
  } catch (error) {
    end(span, { error });
    throw error;
  }
}

/**
 * A span about something that is over.
 * @param failure type of the error that it ended with; absent where it ended well
 */
export function recordSpan(spec: SpanSpec & { startedAt: number }, failure?: string): void {
  if (!enabled) return;
  const span = startSpan(spec);
  if (failure === undefined) span.setStatus({ code: SpanStatusCode.OK });
  else failSpan(span, failure);
  span.end();
}

export function endSpan(span: Span, how: { result: unknown } | { error: unknown }): void {
  if ('error' in how) failSpan(span, errorType(how.error));
  else span.setStatus({ code: SpanStatusCode.OK });
  span.end();
}

/** Only the type of an error: its message may quote what a session holds. */
export function failSpan(span: Span, type: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', type);
}

function errorType(error: unknown): string {
  const { type, code } = error as { type?: unknown; code?: unknown };
  if (typeof type === 'string') return type;
  if (typeof code === 'string') return code;
  return error instanceof Error ? error.name : 'unknown';
}

function startSpan(spec: SpanSpec): Span {
  const { name, of, key, parentKey, startedAt, kind = SpanKind.INTERNAL, attributes } = spec;
  const subject = 'sessionId' in of ? of.sessionId : of.workflowId;
  const traceId = idOf(subject, 32);
  starting = { traceId, spanId: spanIdOf(subject, key) };
  try {
    return trace.getTracer('managed-agents-router', VERSION).startSpan(
      name,
      {
        kind,
        attributes: 'sessionId' in of ? { 'anthropic.session.id': subject, ...attributes } : attributes,
        ...(startedAt === undefined ? {} : { startTime: startedAt }),
      },
      parentKey === undefined ? ROOT_CONTEXT : below(traceId, spanIdOf(subject, parentKey)),
    );
  } finally {
    starting = undefined;
  }
}

function below(traceId: string, spanId: string): Context {
  const traceFlags = TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function spanIdOf(subject: string, key: string): string {
  return idOf(`${subject} ${key}`, 16);
}

/** @param length in hexadecimal digits */
function idOf(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
