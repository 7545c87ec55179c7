// The skills and memory stores of a session, and when memory is due to be synced. Pure, like state.ts.
import { raiseIf, settle } from '../attention.ts';
import type { Equipment } from '../contract.ts';
import type { SessionState } from './state.ts';

/** Like the official worker. */
const MEMORY_SYNC_MS = 15_000;

/** Memory is synced before the next call sees it. */
export function recordEquipment(state: SessionState, equipment: Equipment | undefined, now: number): void {
  const { stores = [], problems = [] } = equipment ?? {};
  delete state.skillProblems;
  if (problems.length > 0) state.skillProblems = problems;
  raiseIf(state, 'skills', problems[0], now);
  const { used = false, syncedAt = 0, sealedSecret } = state.memory ?? {};
  delete state.memory;
  if (stores.length === 0) settle(state, 'memory');
  if (stores.length === 0) return;
  state.memory = { stores, due: 'sync', used, syncedAt, problems: [] };
  if (sealedSecret !== undefined) state.memory.sealedSecret = sealedSecret;
}

/** A call has run: what it changed in memory is saved now, or with the changes of later calls. */
export function recordMemoryUsed(state: SessionState, now: number): void {
  if (!state.memory) return;
  state.memory.used = true;
  if (now - state.memory.syncedAt >= MEMORY_SYNC_MS) state.memory.due ??= 'sync';
}

/** The turn is over: what its calls have changed in memory is saved, and nothing changes any more. */
export function recordMemoryTurnOver({ memory }: SessionState): void {
  if (memory?.used) memory.due = 'last';
}

/** Whether there is a token for the stores: that of the current work item, or of the last one. */
export function hasMemoryToken({ work, memory }: SessionState): boolean {
  return work !== null || memory?.sealedSecret !== undefined;
}

/** Why the folders may not show what the stores hold; null if they do. */
export function memoryUnavailable(state: SessionState): string | null {
  const { memory } = state;
  if (!memory) return null;
  if (memory.due && !hasMemoryToken(state)) return 'no work item brought a token for it';
  return memory.unavailable ?? null;
}

/** @param unavailable why the stores could not be reached */
export function recordMemorySynced(
  state: SessionState,
  last: boolean,
  { problems = [], unavailable }: { problems?: string[]; unavailable?: string },
  now: number,
): void {
  const memory = state.memory;
  if (!memory) return;
  memory.due = memory.due === 'last' && !last ? 'last' : null;
  memory.syncedAt = now;
  memory.problems = problems;
  delete memory.unavailable;
  if (unavailable) memory.unavailable = unavailable;
  if (last) memory.used = false;
  const problem = unavailable
    ? `Memory is unavailable: ${unavailable}`
    : problems[0] && `Memory: ${problems[0]}`;
  raiseIf(state, 'memory', problem, now);
}
