// Which watch over the session's events is the newest, and how long a session goes without one. Pure.

import type { Lease } from '../contract.ts';
import type { WatchId } from '../messages.ts';
import type { SessionState } from './state.ts';

const FIRST_CHECK_MS = 5_000;
/** Checks: a lease outlasts one that fails and is tried again, and an organisation has limited reads. */
const LEASE_SHARE = 0.4;
const MOST_SECONDS = 120;
const ASSUMED_TTL_SECONDS = 60;

/** @returns when the new watch begins: a higher number than that of any watch before it */
export function beginWatch(state: SessionState, now: number): number {
  const since = Math.max(now, (state.watch?.since ?? 0) + 1);
  state.watch = { since, attempt: 1 };
  return since;
}

/**
 * Its work item was stopped: what the watch still says until it notices is out of date, such as the end of a session that
 * the reconcile knows the reason of.
 */
export function dismissWatch(state: SessionState): void {
  if (state.watch) state.watch = { since: state.watch.since + 1, attempt: 1 };
}

/**
 * Whether a message is of the newest watch. What an older one says may be out of date, and nothing is lost without it: the
 * newer one began with what the workflow knew, and reports the rest.
 */
export function isOfNewestWatch(state: SessionState, watch: WatchId | undefined): boolean {
  const newest = state.watch;
  if (!watch || !newest || watch.since > newest.since) return true;
  if (watch.since < newest.since || watch.attempt < newest.attempt) return false;
  newest.attempt = watch.attempt;
  return true;
}

/** A watch has ended because nothing happens: the session is checked now and then, unless the workflow knows better. */
export function recordQuiet(state: SessionState, seen: string, now: number): void {
  noteSeen(state, seen);
  const waitsForPeople = state.calls.every((call) => call.awaitingApproval && call.state === 'open');
  // The first check comes soon: it sees what came too late for the watch.
  if (state.turn.state !== 'running' && waitsForPeople) state.unwatched = { checkAt: now + FIRST_CHECK_MS };
}

/** Two ids: what the watch and the list of events take for the newest may differ, as one event may come twice. */
export function noteSeen(state: SessionState, seen: string): void {
  state.seen = [seen, ...(state.seen ?? [])].slice(0, 2);
}

/** Time from one check to the next. */
export function checkEveryMs(lease: Lease | null): number {
  const ttlSeconds = lease?.ttlSeconds ?? ASSUMED_TTL_SECONDS;
  return Math.max(1, Math.min(MOST_SECONDS, ttlSeconds * LEASE_SHARE)) * 1000;
}
