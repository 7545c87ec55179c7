// Marks: what happened when, as the parts of the router, Temporal and the service know it. All clocks are this machine's.
import { readFileSync } from 'node:fs';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { tsToMs } from '@temporalio/common/lib/time.js';
import type { temporal } from '@temporalio/proto';
import type { World } from '../../harness/world.ts';

export interface Mark {
  /** Epoch ms. */
  at: number;
  what: string;
}

/** What the service's events say. */
export function marksOfEvents(events: BetaManagedAgentsSessionEvent[]): Mark[] {
  return events.flatMap(({ type, processed_at: at }) =>
    at ? [{ at: Date.parse(at), what: `service: ${type}` }] : [],
  );
}

/** What `note-requests.ts` has written. */
export function marksOfRequests(file: string): Mark[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Mark);
}

/** What a workflow's histories say: the latest run's, and those of the runs that went before. */
export async function marksOfHistory(world: World, workflowId: string, name: string): Promise<Mark[]> {
  const { client } = world.temporal;
  const marks: Mark[] = [];
  let runId: string | undefined;
  do {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const activities = new Map<string, string>();
    for (const event of events ?? [])
      marks.push({ at: tsToMs(event.eventTime), what: `${name}: ${describe(event, activities)}` });
    runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || undefined;
  } while (runId);
  return marks;
}

/** @param activities types by the id of the event that scheduled them */
function describe(
  { eventId, attributes, ...event }: temporal.api.history.v1.IHistoryEvent & { attributes?: string },
  activities: Map<string, string>,
): string {
  const kind = (attributes ?? 'event').replace(/EventAttributes$/, '');
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled) activities.set(String(eventId), scheduled.activityType?.name ?? '');
  const ofActivity = event.activityTaskStartedEventAttributes ?? event.activityTaskCompletedEventAttributes;
  const about =
    scheduled?.activityType?.name ??
    activities.get(String(ofActivity?.scheduledEventId)) ??
    event.workflowExecutionSignaledEventAttributes?.signalName;
  return about ? `${kind} ${about}` : kind;
}
