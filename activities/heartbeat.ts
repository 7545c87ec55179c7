// The heartbeats of a running activity: by them the server notices within seconds that its worker has died, and the next
// attempt goes on from what the last one said.
import { Context } from '@temporalio/activity';

interface Heartbeat {
  /** Where another attempt goes on. */
  details: () => unknown;
  /** Epoch ms. */
  sentAt: number;
}

const CHECK_EVERY_MS = 500;

const heartbeats = new WeakMap<Context, Heartbeat>();

/** Part of the time-out that is left when a heartbeat is sent, for a busy worker, network or server; and at most so much. */
const SLACK = { share: 0.35, mostMs: 8_000 };

/** Time from one heartbeat to the next, in milliseconds. */
export function heartbeatEveryMs(timeoutMs: number): number {
  return timeoutMs - Math.min(timeoutMs * SLACK.share, SLACK.mostMs);
}

/** Heartbeats for as long as the activity runs. @returns ends them */
export function startHeartbeats(context: Context): () => void {
  heartbeats.set(context, { details: () => null, sentAt: Date.now() });
  const timer = setInterval(() => beatIfDue(context), CHECK_EVERY_MS);
  return () => clearInterval(timer);
}

/** What the next heartbeats of this activity say; none is sent for it. */
export function setHeartbeatDetails(details: () => unknown): void {
  const heartbeat = heartbeats.get(Context.current());
  if (heartbeat) heartbeat.details = details;
}

/** What the heartbeats of this activity say; the first is sent at once. */
export function heartbeatNow(details: () => unknown): void {
  const context = Context.current();
  heartbeats.set(context, { details, sentAt: 0 });
  beat(context);
}

/** Each heartbeat is a transaction of the Temporal server, for hundreds of sessions at once: none is sent in vain. */
function beatIfDue(context: Context): void {
  const heartbeat = heartbeats.get(context);
  if (!heartbeat) return;
  const { heartbeatTimeoutMs } = context.info;
  if (heartbeatTimeoutMs && Date.now() - heartbeat.sentAt >= heartbeatEveryMs(heartbeatTimeoutMs))
    beat(context);
}

export function beat(context: Context): void {
  const heartbeat = heartbeats.get(context);
  if (!heartbeat) return;
  heartbeat.sentAt = Date.now();
  context.heartbeat(heartbeat.details());
}
