/** Access to memory stores: the organisation may do everything, a session what its attachment allows. */
import type { Caller } from './auth.ts';
import { ApiError } from './errors.ts';
import type { Actor, MemoryStoreRecord } from './resource-records.ts';
import type { Identity, State } from './state.ts';

/** An environment key gives no access to memory: a worker needs the sessions token of its work item. */
export const memoryCallers = ['organization', 'session'] as const;
/** Memory routes require one of these beta headers. */
export const memoryBetas = ['agent-memory-2026-07-22', 'managed-agents-2026-04-01'];

/** The actor to record in a memory version. Throws 403 if the store is not attached, or only for reading. */
export function memoryActor(
  caller: Caller,
  store: MemoryStoreRecord,
  writes: boolean,
  state: State,
  identity: Identity,
): Actor {
  if (caller.kind !== 'session') return { type: 'api_actor', api_key_id: identity.apiKeyId };
  const attached = state.sessions
    .get(caller.sessionId)
    ?.resources.find((resource) => resource.memory_store_id === store.id);
  if (!attached)
    throw new ApiError(403, `Memory store ${store.id} is not attached to session ${caller.sessionId}.`);
  if (writes && attached.access === 'read_only') {
    throw new ApiError(403, `Session ${caller.sessionId} has only read access to memory store ${store.id}.`);
  }
  return { type: 'session_actor', session_id: caller.sessionId };
}
