// What counts as a session that the death of a worker has cost time.
import { expect, it } from 'vitest';
import type { Run } from '../../chaos/histories.ts';
import { type Loss, realLosses } from '../../chaos/recovery.ts';

const DEAD = 4711;
const KILLED_AT = 100_000;
const loss: Loss = {
  workflowId: 'session-1',
  killedAt: KILLED_AT,
  nextAt: null,
  pid: DEAD,
  activities: [{ runId: 'run-1', activityId: '1', name: 'watchSession' }],
};

/** A run with one activity, started and ended by the worker. */
function runOf(startedAt: number, pid: number): Run {
  const eventTime = { seconds: startedAt / 1000, nanos: 0 };
  const events = [
    { eventId: 5, activityTaskScheduledEventAttributes: { activityId: '1' } },
    { eventId: 6, eventTime, activityTaskStartedEventAttributes: { scheduledEventId: 5 } },
    { eventId: 7, activityTaskCompletedEventAttributes: { scheduledEventId: 5, identity: `${pid}@host` } },
  ];
  const history = { events } as unknown as Run['history'];
  return { workflowId: 'session-1', runId: 'run-1', type: '', status: '', taskAttempts: 0, history };
}

it('counts an activity that had to be started again, until then', () => {
  expect(realLosses([loss], [runOf(KILLED_AT + 7_000, 4712)])).toEqual([
    { ...loss, nextAt: KILLED_AT + 7_000 },
  ]);
});

it('takes the earlier start that was seen before the activity was tried once more', () => {
  const observed = { ...loss, nextAt: KILLED_AT + 3_000 };
  expect(realLosses([observed], [runOf(KILLED_AT + 7_000, 4712)])).toEqual([observed]);
});

it('leaves out what its worker ended before it died: nothing was lost', () => {
  expect(realLosses([loss], [runOf(KILLED_AT - 1_000, DEAD)])).toEqual([]);
});

it('keeps a session after which nothing was started', () => {
  expect(realLosses([loss], [])).toEqual([loss]);
});
