// Which workflows may have a sandbox running: at most a limit at once, in the order of their requests, and started no
// faster than E2B allows. Pure; workflow.ts acts.
import type { SlotLimits, SlotRequest } from '../messages.ts';

export interface SlotHolder {
  /** Id of the workflow that has a sandbox running, or waits to. */
  id: string;
  environmentId: string;
}

export interface Waiting extends SlotHolder {
  /** The position in the queue that its workflow was last told. */
  announced: number;
}

export interface SlotsState {
  version: 1;
  limits: SlotLimits;
  /** Limit of each environment; absent: unlimited. */
  ofEnvironment: Record<string, number>;
  holders: SlotHolder[];
  /** First come, first served. */
  queue: Waiting[];
  /** Epoch ms before which nothing more is started. */
  nextStartAt: number;
  /** Holders that asked again while a run ended: the next run answers them. */
  askedAgain?: string[];
}

export type SlotStep =
  | { do: 'grant'; waiting: Waiting }
  /** Its position in the queue has changed. */
  | { do: 'announce'; waiting: Waiting; position: number }
  | { do: 'wait'; until: number | null };

/** Behind this position only multiples of it are told: each change is a signal to a workflow. */
const EXACT_UP_TO = 10;

export function openSlots(): SlotsState {
  return {
    version: 1,
    limits: { running: 0, startsPerSecond: 0 },
    ofEnvironment: {},
    holders: [],
    queue: [],
    nextStartAt: 0,
  };
}

const ID_CHARS = 500;

/** @returns null for a message that is malformed: limits that are no numbers would stop the queue */
export function readWanted(message: SlotRequest): SlotRequest | null {
  const isId = (id: unknown) => typeof id === 'string' && id.length <= ID_CHARS;
  const isLimit = (limit: unknown) => typeof limit === 'number' && limit >= 0;
  const { holder, environmentId, limits, environmentLimit } = message ?? {};
  if (!isId(holder) || !isId(environmentId) || !isLimit(environmentLimit)) return null;
  if (!isLimit(limits?.running) || !isLimit(limits?.startsPerSecond)) return null;
  const { running, startsPerSecond } = limits;
  return { holder, environmentId, environmentLimit, limits: { running, startsPerSecond } };
}

/** @returns whether it holds a slot already: a repeated request is answered again */
export function recordWanted(
  state: SlotsState,
  { holder, environmentId, limits, environmentLimit }: SlotRequest,
): boolean {
  // The latest request comes from the worker with the latest settings.
  state.limits = limits;
  if (environmentLimit) state.ofEnvironment[environmentId] = environmentLimit;
  else delete state.ofEnvironment[environmentId];
  if (state.holders.some(({ id }) => id === holder)) return true;
  const waiting = state.queue.find(({ id }) => id === holder);
  if (waiting) waiting.announced = 0;
  else state.queue.push({ id: holder, environmentId, announced: 0 });
  return false;
}

/** Its sandbox is paused or lost, it is no longer wanted, or its workflow has ended. */
export function recordReturned(state: SlotsState, holder: string): void {
  state.holders = state.holders.filter(({ id }) => id !== holder);
  state.queue = state.queue.filter(({ id }) => id !== holder);
}

export function recordGranted(state: SlotsState, { id, environmentId }: SlotHolder, now: number): void {
  recordReturned(state, id);
  state.holders.push({ id, environmentId });
  const { startsPerSecond } = state.limits;
  if (startsPerSecond > 0) state.nextStartAt = Math.max(now, state.nextStartAt) + 1000 / startsPerSecond;
}

export function nextSlotStep(state: SlotsState, now: number): SlotStep {
  const next = isFull(state)
    ? undefined
    : state.queue.find((waiting) => !isFull(state, waiting.environmentId));
  if (next && now >= state.nextStartAt) return { do: 'grant', waiting: next };
  for (const [index, waiting] of state.queue.entries()) {
    const position = roughly(index + 1);
    if (waiting.announced !== position) return { do: 'announce', waiting, position };
  }
  return { do: 'wait', until: next ? state.nextStartAt : null };
}

/** Whether the account, or one environment, is full; a full environment does not delay the others. */
function isFull({ holders, limits, ofEnvironment }: SlotsState, environmentId?: string): boolean {
  if (environmentId === undefined) return limits.running > 0 && holders.length >= limits.running;
  const limit = ofEnvironment[environmentId] ?? 0;
  return limit > 0 && holders.filter((holder) => holder.environmentId === environmentId).length >= limit;
}

function roughly(position: number): number {
  return position <= EXACT_UP_TO ? position : Math.ceil(position / EXACT_UP_TO) * EXACT_UP_TO;
}
