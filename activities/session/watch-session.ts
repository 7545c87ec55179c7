// The watch over a session while its work item is held: keeps the lease, follows the events, and signals the
// session's workflow. The next watch goes on from the lease and a fresh listing. The workflow does not wait for the end
// of a watch that it has recalled, so two may run side by side for seconds: in one process the newer one ends the older
// one, among processes the lease does; signals of the older one are ignored by the workflow.
import type Anthropic from '@anthropic-ai/sdk';
import { Context } from '@temporalio/activity';
import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import type { SignalDefinition } from '@temporalio/common';

import { failpoint } from '../../src/failpoints.ts';
import type { Lease, WatchArgs, WatchEnd } from '../../workflows/contract.ts';
import {
  MOST_CALLS_IN_MESSAGE,
  sessionChangedSignal,
  toolCallsClosedSignal,
  toolCallsRequestedSignal,
  type WatchId,
} from '../../workflows/messages.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { setHeartbeatDetails } from '../heartbeat.ts';
import { sleep } from '../sleep.ts';
import { withWorkItemToken } from '../work-queue/item-secret.ts';
import { WorkLease } from '../work-queue/lease.ts';
import { recordWork } from '../work-queue/work-span.ts';
import { EventStream } from './event-stream.ts';
import { QuietListings } from './quiet-listings.ts';
import { readEvents, readHidden } from './read-events.ts';
import { SessionView } from './session-view.ts';
import type { SessionViews } from './session-views.ts';
import { untilRecalled } from './until-recalled.ts';

const RECONNECT_FIRST_MS = 250;
const RECONNECT_LAST_MS = 10_000;
/** The last net under streams that go silent or hide events: none is trusted for longer. */
const STREAM_LIFETIME_MS = 300_000;
/**
 * A session in which nothing is expected and nothing has happened for this long gives its slot to another one. A shorter
 * grace shortens it while people act; after a turn the end of the grace ends the watch.
 */
const QUIET_MS = 60_000;
const QUIET_LOOK_MS = 500;
/** What all parts of a watch have to end their requests once they are to. */
const SETTLE_WITHIN_MS = 3_000;

export function createWatchSession(deps: Deps, views: SessionViews, listings = new QuietListings()) {
  return {
    watchSession: defineActivity(async (args: WatchArgs): Promise<WatchEnd> => {
      const { cancellationSignal, info } = Context.current();
      const older = views.takeOver(args.sessionId, args);
      if (older === 'newer') return { why: 'superseded', lease: null };
      const lease = new WorkLease(
        deps.anthropic.environment,
        args,
        older ?? leaseOf(info.heartbeatDetails) ?? args.lease,
      );
      const view = new SessionView(args.known, info.attempt > 1 ? null : args.turn);
      const over = new AbortController();
      const signal = AbortSignal.any([cancellationSignal, over.signal]);
      let superseded = false;
      const supersede = () => {
        superseded = true;
        over.abort();
      };
      const self = { since: args.since, workId: args.workId, view, lease, supersede };
      views.set(args.sessionId, self);
      const handle = deps.temporal.workflow.getHandle(info.workflowExecution?.workflowId ?? '');
      const workflow = signedBy({ since: args.since, attempt: info.attempt }, handle);
      const ended = (why: Exclude<WatchEnd['why'], 'quiet'>): WatchEnd => {
        if (why === 'lost') recordWork(args, 'lease_lost');
        return { why, lease: lease.current };
      };
      const watches = [
        lease.hold(signal),
        withWorkItemToken(deps, args, (client) => follow(client, args, view, workflow, signal, listings)),
        untilQuiet(view, args.graceMs, signal),
        untilRecalled(deps.temporal, view, args.graceMs, signal),
      ];
      try {
        setHeartbeatDetails(() => ({ lease: lease.current }));
        const end = await Promise.race(watches);
        return typeof end === 'string' ? ended(end) : { why: 'quiet', lease: lease.current, ...end };
      } catch (error) {
        if (superseded) return ended('superseded');
        if (!Context.current().cancellationDetails?.cancelRequested) throw error;
        return ended('recalled');
      } finally {
        over.abort();
        // A request that does not notice must not keep the slot.
        const patience = AbortSignal.timeout(SETTLE_WITHIN_MS);
        const late = new Promise((resolve) => patience.addEventListener('abort', resolve));
        await Promise.race([Promise.allSettled(watches), late]);
        if (patience.aborted)
          deps.log.warn({ sessionId: args.sessionId, workId: args.workId }, 'a watch did not end in time');

        views.drop(args.sessionId, self);
        const { skippedEvents } = view;
        if (skippedEvents) deps.log.warn({ sessionId: args.sessionId, skippedEvents }, 'skipped events');
      }
    }),
  };
}

/** @returns the id of the newest event, once nothing has happened for a while */
async function untilQuiet(
  view: SessionView,
  graceMs: number,
  signal: AbortSignal,
): Promise<{ seen: string }> {
  let { newest, turn } = view;
  let since = Date.now();
  for (;;) {
    await sleep(QUIET_LOOK_MS, signal);
    if (view.newest !== newest || view.turn !== turn) {
      ({ newest, turn } = view);
      since = Date.now();
    }
    const isShort = graceMs <= QUIET_MS;
    const quietMs = turn === 'waiting' || (turn === 'idle' && !isShort) ? Math.min(graceMs, QUIET_MS) : null;
    if (newest !== null && quietMs !== null && Date.now() - since >= quietMs) return { seen: newest };
  }
}

type Workflow = Pick<WorkflowHandle, 'workflowId' | 'signal'>;

/** The workflow, each signal to which says which watch has sent it. */
function signedBy(watch: WatchId, handle: WorkflowHandle): Workflow {
  return {
    workflowId: handle.workflowId,
    signal: (definition: SignalDefinition<[object]>, message: object) =>
      handle.signal(definition, { ...message, watch }),
  } as Workflow;
}

/** Follows the events until the session ends, reconnecting for as long as the service may come back. */
async function follow(
  client: Anthropic,
  { sessionId, settledAt }: Pick<WatchArgs, 'sessionId' | 'settledAt'>,
  view: SessionView,
  workflow: Workflow,
  signal: AbortSignal,
  listings: QuietListings,
): Promise<'session ended'> {
  let backoffMs = RECONNECT_FIRST_MS;
  let missing = 0;
  for (;;) {
    const openedAt = Date.now();
    const connection = AbortSignal.any([signal, AbortSignal.timeout(STREAM_LIFETIME_MS)]);
    let stream: EventStream | undefined;
    let waitMs = 0;
    try {
      // The stream first, then the history: what happens in between is in one of them at least.
      stream = await EventStream.open(client, sessionId, connection);
      await readEvents(client, sessionId, view, settledAt, signal);
      if (await report(view, workflow)) return 'session ended';
      missing = 0;
      for (;;) {
        const next = await stream.next(listings.quietMs);
        if (next === 'ended' || next === 'silent') break;
        if (next === 'quiet' && !listings.take()) continue;
        const hidden = next === 'quiet' && (await readHidden(client, sessionId, view, settledAt, signal));
        if (next === 'quiet' && !hidden) continue;
        if (next !== 'quiet') view.apply(next);
        if (await report(view, workflow)) return 'session ended';
        if (hidden) break;
        backoffMs = RECONNECT_FIRST_MS;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WorkflowNotFoundError || error instanceof SignalFailed) throw error;
      const { kind, retryAfterMs = 0 } = classify(error);
      if (kind === 'not found' && ++missing > 1) return 'session ended';
      if (kind === 'final' || kind === 'refused') throw error;
      waitMs = retryAfterMs;
    } finally {
      // A stream that was opened and never read would stay open.
      stream?.close();
    }
    // A stream that ends as soon as it is open is no progress.
    if (Date.now() - openedAt > RECONNECT_LAST_MS) backoffMs = RECONNECT_FIRST_MS;
    // Many sessions lose their streams at the same moment: they do not come back at the same moment.
    await sleep(Math.max(waitMs, backoffMs) * (1 + Math.random() / 2), signal);
    backoffMs = Math.min(backoffMs * 2, RECONNECT_LAST_MS);
  }
}

/** The workflow has not got what the view has reported: only another attempt, with a new view, reports it again. */
class SignalFailed extends Error {
  override name = 'SignalFailed';
}

/**
 * Signals what the workflow does not know yet.
 * @returns whether the session has ended
 */
async function report(view: SessionView, workflow: Workflow): Promise<boolean> {
  try {
    return await sendReport(view, workflow);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw error;
    throw new SignalFailed('the workflow could not be signalled', { cause: error });
  }
}

async function sendReport(view: SessionView, workflow: Workflow): Promise<boolean> {
  const { opened, closed, change } = view.report();
  for (const interrupted of closed) {
    for (const callIds of inParts(interrupted.callIds))
      await workflow.signal(toolCallsClosedSignal, { ...interrupted, callIds });
  }
  for (const calls of inParts(opened)) {
    await workflow.signal(toolCallsRequestedSignal, { calls });
    failpoint('events-signalled', workflow.workflowId);
  }
  const { skippedEvents } = view;
  if (change)
    await workflow.signal(sessionChangedSignal, skippedEvents ? { ...change, skippedEvents } : change);
  return change?.change === 'terminated' || change?.change === 'deleted';
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
