// The watch over a session while its work item is held: keeps the lease, follows the events, and signals the
// session's workflow. Whoever runs it next goes on from the lease in the heartbeat details and a fresh listing.
import type Anthropic from '@anthropic-ai/sdk';
import { Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { deadline } from '../../src/clients/deadline.ts';
import { failpoint } from '../../src/failpoints.ts';
import {
  interruptedSignal,
  MOST_CALLS_IN_MESSAGE,
  sessionChangedSignal,
  toolCallsOpenedSignal,
} from '../../workflows/messages.ts';
import type { Lease } from '../../workflows/session/state.ts';
import { guard, heartbeatWith, pause } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { asItem } from '../work-queue/item-secret.ts';
import { type LeaseEnd, WorkLease } from '../work-queue/lease.ts';
import { EventStream } from './event-stream.ts';
import { QuietListings } from './quiet-listings.ts';
import { type KnownCall, SessionView, type Turn } from './session-view.ts';
import type { SessionViews } from './session-views.ts';

export interface AttendArgs {
  sessionId: string;
  environmentId: string;
  workId: string;
  sealedSecret: string | null;
  lease: Lease | null;
  /** The calls that the workflow holds. */
  known: KnownCall[];
  turn: Turn;
  /** Others act, perhaps for days: return as soon as the workflow was told something. */
  patient?: boolean;
}

export interface Attended {
  /** `asked`: by the workflow. `stopping`: the service wants the item back. `news`: of a patient watch. */
  why: 'asked' | LeaseEnd | 'session ended' | 'news';
  lease: Lease | null;
  /** Events that were passed over, being unknown or malformed, by type; absent where there were none. */
  oddEvents?: Record<string, number>;
}

const RECONNECT_FIRST_MS = 250;
const RECONNECT_LAST_MS = 10_000;
/** The last net under streams that go silent or hide events: none is trusted for longer. */
const STREAM_LIFETIME_MS = 300_000;
/** What both watches have to end their requests once they are to. */
const SETTLE_WITHIN_MS = 3_000;

export function createAttend(deps: Deps, views: SessionViews, listings = new QuietListings()) {
  return {
    attend: guard(async (args: AttendArgs): Promise<Attended> => {
      const { cancellationSignal, info } = Context.current();
      const retried = info.attempt > 1;
      const lease = new WorkLease(
        deps.anthropic.environment,
        args,
        leaseOf(info.heartbeatDetails) ?? args.lease,
      );
      const view = new SessionView(args.known, retried ? null : args.turn);
      const workflow = deps.temporal.workflow.getHandle(info.workflowExecution?.workflowId ?? '');
      const over = new AbortController();
      const signal = AbortSignal.any([cancellationSignal, over.signal]);
      views.set(args.sessionId, view);
      const ended = (why: Attended['why']): Attended => {
        const oddEvents = view.odd;
        if (oddEvents) deps.log.warn({ sessionId: args.sessionId, oddEvents }, 'passed over events');
        return { why, lease: lease.current, ...(oddEvents ? { oddEvents } : {}) };
      };
      const watches = [
        lease.hold(signal),
        asItem(deps, args, (client) =>
          follow(client, args.sessionId, view, workflow, signal, args.patient === true, listings),
        ),
      ];
      try {
        // Once the turn is over it is asked to end.
        const askedSoon = () => args.patient !== true && view.turn !== 'running';
        heartbeatWith(() => ({ lease: lease.current }), askedSoon);
        return ended(await Promise.race(watches));
      } catch (error) {
        if (!Context.current().cancellationDetails?.cancelRequested) throw error;
        return ended('asked');
      } finally {
        over.abort();
        // A request that does not notice must not keep the session from going on.
        const patience = deadline(SETTLE_WITHIN_MS);
        const late = new Promise((resolve) => patience.signal.addEventListener('abort', resolve));
        await Promise.race([Promise.allSettled(watches), late]);
        if (patience.signal.aborted)
          deps.log.warn({ sessionId: args.sessionId, workId: args.workId }, 'a watch did not end in time');
        patience.clear();
        views.drop(args.sessionId, view);
      }
    }),
  };
}

/**
 * Follows the events until the session ends, reconnecting for as long as the service may come back.
 * @param patient return at the first thing that the workflow was told
 */
async function follow(
  client: Anthropic,
  sessionId: string,
  view: SessionView,
  workflow: WorkflowHandle,
  signal: AbortSignal,
  patient: boolean,
  listings: QuietListings,
): Promise<'session ended' | 'news'> {
  let backoffMs = RECONNECT_FIRST_MS;
  let missing = 0;
  for (;;) {
    const openedAt = Date.now();
    const connection = deadline(STREAM_LIFETIME_MS, signal);
    let stream: EventStream | undefined;
    let waitMs = 0;
    try {
      // The stream first, then the history: what happens in between is in one of them at least.
      stream = await EventStream.open(client, sessionId, connection.signal);
      for await (const event of client.beta.sessions.events.list(sessionId, { limit: 1000 }, { signal }))
        view.apply(event);
      let told = await report(view, workflow);
      if (told === 'session ended' || (patient && told)) return told;
      missing = 0;
      for (;;) {
        const next = await stream.next(listings.quietMs);
        if (next === 'ended' || next === 'silent') break;
        if (next === 'quiet' && !listings.take()) continue;
        const hidden = next === 'quiet' && (await applyHidden(client, sessionId, view, signal));
        if (next === 'quiet' && !hidden) continue;
        if (next !== 'quiet') view.apply(next);
        told = await report(view, workflow);
        if (told === 'session ended' || (patient && told)) return told;
        if (hidden) break;
        backoffMs = RECONNECT_FIRST_MS;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WorkflowNotFoundError || error instanceof Untold) throw error;
      const { kind, retryAfterMs = 0 } = classify(error);
      if (kind === 'gone' && ++missing > 1) return 'session ended';
      if (kind === 'final' || kind === 'refused') throw error;
      waitMs = retryAfterMs;
    } finally {
      connection.clear();
      // A stream that was opened and never read would stay open.
      stream?.close();
    }
    // A stream that ends as soon as it is open is no progress.
    if (Date.now() - openedAt > RECONNECT_LAST_MS) backoffMs = RECONNECT_FIRST_MS;
    // Many sessions lose their streams at the same moment: they do not come back at the same moment.
    await pause(Math.max(waitMs, backoffMs) * (1 + Math.random() / 2), signal);
    backoffMs = Math.min(backoffMs * 2, RECONNECT_LAST_MS);
  }
}

/**
 * Looks at the newest events for some that the stream has not shown.
 * @returns whether there were any
 */
async function applyHidden(
  client: Anthropic,
  sessionId: string,
  view: SessionView,
  signal: AbortSignal,
): Promise<boolean> {
  const newestFirst = { limit: 100, order: 'desc' as const };
  const hidden: Parameters<SessionView['apply']>[0][] = [];
  const pages = await client.beta.sessions.events.list(sessionId, newestFirst, { signal });
  for await (const page of pages.iterPages()) {
    const unseen = page.data.filter((event) => !view.hasSeen(event));
    hidden.push(...unseen);
    if (unseen.length === 0) break;
  }
  for (const event of hidden.reverse()) view.apply(event);
  return hidden.length > 0;
}

/** The workflow could not be told what the view has reported: another attempt begins with a view of its own. */
class Untold extends Error {
  override name = 'Untold';
}

/** Tells the workflow what it does not know. */
async function report(view: SessionView, workflow: WorkflowHandle): Promise<'session ended' | 'news' | null> {
  try {
    return await tell(view, workflow);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw error;
    throw new Untold('the workflow could not be told of events', { cause: error });
  }
}

async function tell(view: SessionView, workflow: WorkflowHandle): Promise<'session ended' | 'news' | null> {
  const { opened, closed, change } = view.report();
  for (const interrupted of closed) {
    for (const callIds of inParts(interrupted.callIds))
      await workflow.signal(interruptedSignal, { ...interrupted, callIds });
  }
  for (const calls of inParts(opened)) {
    await workflow.signal(toolCallsOpenedSignal, { calls });
    failpoint('events-signalled', workflow.workflowId);
  }
  if (change) await workflow.signal(sessionChangedSignal, change);
  if (change?.change === 'terminated' || change?.change === 'deleted') return 'session ended';
  return change || opened.length > 0 || closed.length > 0 ? 'news' : null;
}

function inParts<Item>(items: Item[]): Item[][] {
  const count = Math.ceil(items.length / MOST_CALLS_IN_MESSAGE);
  return Array.from({ length: count }, (_, part) =>
    items.slice(part * MOST_CALLS_IN_MESSAGE, (part + 1) * MOST_CALLS_IN_MESSAGE),
  );
}

function leaseOf(details: unknown): Lease | null {
  const lease = (details as { lease?: Partial<Lease> } | undefined)?.lease;
  const whole = typeof lease?.lastHeartbeat === 'string' && typeof lease.ttlSeconds === 'number';
  return whole ? (lease as Lease) : null;
}
