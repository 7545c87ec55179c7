// Reads the events of a session into a view: all of them, or those since its last turn ended with nothing left open.
import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { SessionView } from './session-view.ts';

/** Read from the newest event backwards, most of a page is usually not needed. */
const PAGE_BACKWARDS = 100;

/** @param settledAt event at which the session was settled: what came before it has no effect any more */
export async function readEvents(
  client: Anthropic,
  sessionId: string,
  view: SessionView,
  settledAt: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (settledAt) {
    await readBackwards(client, sessionId, view, (event) => event.id === settledAt, signal);
    return;
  }
  for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000 }, { signal }))
    view.apply(event);
}

/**
 * Reads the newest events, for some that the stream has not shown.
 * @returns whether there were any
 */
export async function readHidden(
  client: Anthropic,
  sessionId: string,
  view: SessionView,
  settledAt: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  let seenInARow = 0;
  return readBackwards(
    client,
    sessionId,
    view,
    (event) => {
      seenInARow = view.hasSeen(event) ? seenInARow + 1 : 0;
      return event.id === settledAt || seenInARow === PAGE_BACKWARDS;
    },
    signal,
  );
}

/**
 * Applies the events that the view has not seen, from the newest back to the one for which `isLast` is true.
 * @returns whether there were any
 */
async function readBackwards(
  client: Anthropic,
  sessionId: string,
  view: SessionView,
  isLast: (event: BetaManagedAgentsSessionEvent) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const unseen: BetaManagedAgentsSessionEvent[] = [];
  const newestFirst = { limit: PAGE_BACKWARDS, order: 'desc' as const };
  for await (const event of client.beta.sessions.events.list(sessionId, newestFirst, { signal })) {
    if (!view.hasSeen(event)) unseen.push(event);
    if (isLast(event)) break;
  }
  for (const event of unseen.reverse()) view.apply(event);
  return unseen.length > 0;
}
