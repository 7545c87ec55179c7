/** Who may do what with a memory store: the organisation everything, a session what its attachment allows. */
import type { Caller } from './auth.ts';
import { ApiError } from './errors.ts';
import type { Actor, MemoryStoreRecord } from './resource-records.ts';
import type { Identity, State } from './state.ts';

/** An environment's key is refused here: a worker needs the sessions token of its item. */
export const memoryCallers = ['organization', 'session'] as const;
/** Either beta header opens these routes. */
export const memoryBetas = ['agent-memory-2026-07-22', 'managed-agents-2026-04-01'];

/** The caller as a version names it. Throws 403 for a store that a session does not have or may only read. */
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
