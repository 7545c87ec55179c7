// A sandbox that several sessions share, as plain JSON: which sessions need it, and what to do next. Pure; workflow.ts
// acts.
import { type Attentive, settle } from '../attention.ts';
import type { SharedSandboxRequest, SharedSandboxReturn, SharedSandboxStart } from '../messages.ts';
import { earlier, Pace, type Paced } from '../pace.ts';
import type { SlotUser } from '../sandbox-slots/holder.ts';

/** Of sessions that ended while it was paused; their processes are frozen until then. */
const DEPARTED_KEPT = 1_000;

export interface Holder {
  /** Id of the session's workflow. */
  id: string;
  sessionId: string;
  /** The sandbox that it was last assigned. */
  assigned: string | null;
}

export interface SharedSandboxState extends SlotUser, Paced, Attentive {
  version: 1;
  start: SharedSandboxStart;
  /** `nonce` is of the sandbox that is being prepared; every request has another one (activities/sandbox/proof.ts). */
  sandbox: { id: string | null; ready: boolean; nonce?: string };
  /** A sandbox was assigned by this workflow, or a run of it before. */
  hadSandbox?: boolean;
  /** Sessions that need it running. */
  holders: Holder[];
  /** Sessions that have ended and may have left processes behind. */
  departed: string[];
  /** How often a session has asked for it. */
  asked: number;
  /** Epoch ms of the last sign of use, from which retention counts. */
  lastUsed: number;
}

export type SharedStep =
  /** End the processes of sessions that are over. */
  | { do: 'dismiss' }
  | { do: 'prepare' | 'pause' | 'kill' | 'renew' }
  | { do: 'assign'; holders: Holder[]; sandboxId: string }
  | { do: 'wait'; until: number | null };

export function openShared(start: SharedSandboxStart, now: number): SharedSandboxState {
  return {
    version: 1,
    start,
    sandbox: { id: null, ready: false },
    holders: [],
    departed: [],
    asked: 0,
    lastUsed: now,
    attention: {},
  };
}

/** A holder that asks again is assigned the sandbox again. */
export function recordWanted(state: SharedSandboxState, wanted: SharedSandboxRequest, now: number): void {
  const { holder: id, sessionId, settings } = wanted;
  const { retentionMs, limited, copyOutputs } = settings;
  state.start.settings = {
    retentionMs,
    ...(limited ? { limited: true } : {}),
    ...(copyOutputs ? { copyOutputs: true } : {}),
  };
  state.asked += 1;
  state.lastUsed = now;
  state.departed = state.departed.filter((one) => one !== sessionId);
  const known = state.holders.find((holder) => holder.id === id);
  if (known) known.assigned = null;
  else state.holders.push({ id, sessionId, assigned: null });
}

export function recordReturned(state: SharedSandboxState, returned: SharedSandboxReturn, now: number): void {
  const { holder, sessionId, ended } = returned;
  if (state.holders.some(({ id }) => id === holder)) state.lastUsed = now;
  state.holders = state.holders.filter(({ id }) => id !== holder);
  if (!ended || !state.sandbox.id || state.departed.includes(sessionId)) return;
  state.departed = [...state.departed, sessionId].slice(-DEPARTED_KEPT);
}

export function recordReady(state: SharedSandboxState, sandboxId: string): void {
  if (state.sandbox.id !== sandboxId) state.departed = [];
  state.sandbox = { id: sandboxId, ready: true };
  state.hadSandbox = true;
  settle(state, 'prepare');
}

/** The sandbox and its processes no longer exist. A holder that reports an older one is assigned the present one. */
export function recordLost(state: SharedSandboxState, sandboxId: string): void {
  for (const holder of state.holders) if (holder.assigned === sandboxId) holder.assigned = null;
  if (state.sandbox.id !== sandboxId) return;
  state.sandbox = { id: null, ready: false };
  state.departed = [];
}

/** Each is a message under way, of which a workflow may have 2,000; told one by one, a crowd would wait for minutes. */
const ASSIGNED_AT_ONCE = 100;

/** Progress is that a session asks anew: sessions are paced themselves. */
export function paceOf(state: SharedSandboxState): Pace {
  return new Pace(state, () => String(state.asked));
}

export function nextSharedStep(state: SharedSandboxState, now: number, renew: boolean): SharedStep {
  const pace = paceOf(state);
  const { sandbox, holders } = state;
  if (sandbox.id && sandbox.ready) {
    // Before holders are assigned: a session that comes back under the same id must not lose what it starts then.
    if (state.departed.length > 0) return { do: 'dismiss' };
    const { id } = sandbox;
    const unassigned = holders.filter(({ assigned }) => assigned !== id).slice(0, ASSIGNED_AT_ONCE);
    if (unassigned.length > 0) return { do: 'assign', holders: unassigned, sandboxId: id };
    if (holders.length === 0) return { do: 'pause' };
  } else if (holders.length > 0 && pace.may('prepare', now)) {
    return { do: 'prepare' };
  }
  if (renew) return { do: 'renew' };
  if (holders.length > 0) return { do: 'wait', until: pace.nextPauseEnds(now) };
  const until = state.lastUsed + state.start.settings.retentionMs;
  return now >= until && pace.may('kill', now)
    ? { do: 'kill' }
    : { do: 'wait', until: earlier(until > now ? until : null, pace.nextPauseEnds(now)) };
}
