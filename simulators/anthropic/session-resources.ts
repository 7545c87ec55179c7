/** Resources of a session: a self-hosted environment allows memory stores only. */
import { z } from 'zod';
import { badRequest } from './errors.ts';
import { parseBody } from './params.ts';
import type { AttachedStore } from './resource-records.ts';
import type { State } from './state.ts';

const MAX_STORES = 8;

const memoryStore = z.strictObject({
  type: z.literal('memory_store'),
  memory_store_id: z.string(),
  access: z.enum(['read_write', 'read_only']).nullish(),
  instructions: z.string().max(4096).nullish(),
});

/** The resources of a new session. Throws 400 for a resource that cannot be attached. */
export function attachResources(state: State, given: { type: string }[]): AttachedStore[] {
  const attached: AttachedStore[] = [];
  for (const [index, resource] of given.entries()) {
    const where = `resources.${index}`;
    if (resource.type !== 'memory_store') {
      throw badRequest(`${where}: ${resource.type} is not supported in a self-hosted environment`);
    }
    const params = parseBody(memoryStore, resource, [where]);
    const store = state.memoryStores.get(params.memory_store_id);
    if (!store) throw badRequest(`${where}: there is no memory store ${params.memory_store_id}`);
    if (store.archived_at !== null) throw badRequest(`${where}: memory store ${store.id} is archived`);
    if (attached.some((other) => other.memory_store_id === store.id)) {
      throw badRequest(`${where}: memory store ${store.id} is attached twice`);
    }
    attached.push({
      type: 'memory_store',
      memory_store_id: store.id,
      access: params.access ?? 'read_write',
      instructions: params.instructions ?? null,
      mount_path: mountPath(
        store.name,
        attached.map((other) => other.mount_path),
      ),
      name: store.name,
      description: store.description,
    });
  }
  if (attached.length > MAX_STORES) throw badRequest(`resources: at most ${MAX_STORES} memory stores`);
  return attached;
}

/** The name in lower case with hyphens for runs of other characters, and a number if the path is taken. */
function mountPath(name: string, taken: string[]): string {
  const slug =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'memory';
  for (let count = 1; ; count += 1) {
    const path = `/mnt/memory/${slug}${count === 1 ? '' : `-${count}`}`;
    if (!taken.includes(path)) return path;
  }
}
