// Writes what Temporal's SDK and its native core log to our log, without what is no news.
import { isGrpcServiceError } from '@temporalio/client';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import type { Logger } from './log.ts';
import type { TemporalOutage } from './temporal-outage.ts';

/** The core's texts for calls that got no answer. */
const NO_ANSWER = /^(gRPC call \w+ retried|Error when recording heartbeat|Network error while completing)/;
const UNREACHABLE = /Unavailable|DeadlineExceeded|transport error|Network error while completing/;
/** Only the pool of tool calls runs workflows. */
const NO_WORKFLOWS = 'No workflows registered, not polling for workflow tasks';

/** @param outage receives a report of every call that Temporal has not answered */
export function temporalLogger(log: Logger, outage: Pick<TemporalOutage, 'report'>): DefaultLogger {
  return new DefaultLogger('WARN', (entry) => {
    const { level, message, meta } = entry;
    const { error, ...rest } = meta ?? {};
    const fields = { ...rest, ...(error ? { err: error } : {}) };
    const reason = unanswered(entry);
    if (reason !== undefined) outage.report(reason);
    const isNews = reason === undefined && message !== NO_WORKFLOWS && !isHandOver(entry);
    log[isNews ? (level === 'ERROR' ? 'error' : 'warn') : 'debug'](fields, message);
  });
}

/** Why a call got no answer. @returns undefined for any other entry */
function unanswered({ message, meta }: LogEntry): string | undefined {
  const detail = `${message} ${meta?.err ?? meta?.error ?? ''}`;
  if (NO_ANSWER.test(message) && UNREACHABLE.test(detail))
    return (/message: "([^"]*)"/.exec(detail)?.[1] ?? message).slice(0, 200);
  for (let error: unknown = meta?.error; error instanceof Error; error = error.cause)
    if (isGrpcServiceError(error) && [4, 14].includes(error.code)) return error.details.slice(0, 200);
  return undefined;
}

/** A stopping worker hands its activities over: activities/define-activity.ts. */
function isHandOver({ message, meta }: LogEntry): boolean {
  return (
    message === 'Activity failed' && (meta?.error as Error | undefined)?.message === 'worker is shutting down'
  );
}
