// Which entries of Temporal's SDK and core reach the log of an operator.
import { ApplicationFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import { temporalLogger } from '../../src/temporal-log.ts';
import { recordedLog } from './recorded-log.ts';

function logged(message: string, meta: Record<string, unknown> = {}, level: 'WARN' | 'ERROR' = 'WARN') {
  const { log, lines } = recordedLog();
  const reports: string[] = [];
  temporalLogger(log, { report: (reason) => void reports.push(reason) }).log(level, message, meta);
  return { lines: lines().filter(({ level: each }) => Number(each) >= 40), reports };
}

const REFUSED =
  'Status { code: Unavailable, message: "tcp connect error", source: Some(tonic::transport::Error(Transport, ConnectError(…))) }';

it.each([
  [
    'a call of the core that was refused',
    'gRPC call poll_activity_task_queue retried 7 times',
    { err: REFUSED },
  ],
  ['a heartbeat', `Error when recording heartbeat: ${REFUSED}`, {}],
  ['a completion', 'Network error while completing activity', { error: new Error(REFUSED) }],
])('%s is part of an outage, which is logged once elsewhere', (_what, message, meta) => {
  expect(logged(message, meta)).toEqual({ lines: [], reports: ['tcp connect error'] });
});

it.each([
  ['a pool without workflows', 'No workflows registered, not polling for workflow tasks', {}],
  [
    'an activity that a stopping worker hands over',
    'Activity failed',
    { error: ApplicationFailure.create({ message: 'worker is shutting down' }) },
  ],
])('%s is no news', (_what, message, meta) => {
  expect(logged(message, meta)).toEqual({ lines: [], reports: [] });
});

it.each([
  ['a failed activity', 'Activity failed', { error: new Error('E2B answers 500') }],
  [
    'a call that the server refuses',
    'gRPC call poll_activity_task_queue retried 7 times',
    { err: 'Status { code: ResourceExhausted, message: "namespace rate limit exceeded" }' },
  ],
])('%s is logged', (_what, message, meta) => {
  const { lines, reports } = logged(message, meta);
  expect(lines).toMatchObject([{ level: 40, msg: message }]);
  expect(reports).toEqual([]);
  expect(logged(message, meta, 'ERROR').lines).toMatchObject([{ level: 50 }]);
});
