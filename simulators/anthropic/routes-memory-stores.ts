/** Routes of the memory stores themselves: `/v1/memory_stores…`. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { newId } from './ids.ts';
import { memoryBetas as betas, memoryActor, memoryCallers } from './memory-access.ts';
import { mustBeOpen } from './memory-stores.ts';
import { createdAtFilter, creationKey, type PageQuery, paginate } from './pagination.ts';
import { metadata, metadataPatch, parseBody, patchMetadata } from './params.ts';
import type { MemoryStoreRecord } from './resource-records.ts';
import type { Service } from './service.ts';

interface OfStore {
  Params: { memory_store_id: string };
}
interface ListQuery extends PageQuery, Record<string, unknown> {
  include_archived?: string;
}

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;

const name = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => !/\p{Cc}/u.test(text), 'must have no control characters');
const description = z.string().max(1024);
const createBody = z.strictObject({
  name,
  description: description.nullish(),
  metadata: metadata.nullish(),
});
const updateBody = z.strictObject({
  name: name.nullish(),
  description: description.nullish(),
  metadata: metadataPatch,
});

export function memoryStoreRoutes(app: FastifyInstance, service: Service): void {
  const { state, memoryStores, webhooks } = service;
  const itemPath = '/v1/memory_stores/:memory_store_id';

  app.post('/v1/memory_stores', { config: { fault: 'memory_stores.create', betas } }, async (request) => {
    const body = parseBody(createBody, request.body);
    const now = state.clock.iso();
    const store: MemoryStoreRecord = {
      id: newId('memstore'),
      name: body.name,
      description: body.description ?? '',
      metadata: body.metadata ?? {},
      created_at: now,
      updated_at: now,
      archived_at: null,
    };
    state.memoryStores.put(store.id, store);
    webhooks.emit('memory_store.created', store.id);
    return storeView(store);
  });

  app.get<{ Querystring: ListQuery }>(
    '/v1/memory_stores',
    { config: { fault: 'memory_stores.list', betas } },
    async ({ query }) => {
      const inTimeRange = createdAtFilter(query);
      const found = state.memoryStores
        .values()
        .filter(
          (store) =>
            (store.archived_at === null || query.include_archived === 'true') &&
            inTimeRange(store.created_at),
        );
      const page = paginate(found, creationKey, 'desc', query, DEFAULT_PAGE, MAX_PAGE);
      return { data: page.data.map(storeView), next_page: page.next_page };
    },
  );

  app.get<OfStore>(
    itemPath,
    { config: { fault: 'memory_stores.retrieve', betas, accepts: memoryCallers } },
    async ({ params, caller }) => {
      const store = memoryStores.get(params.memory_store_id);
      memoryActor(caller, store, false, state, service.identity);
      return storeView(store);
    },
  );

  app.post<OfStore>(itemPath, { config: { fault: 'memory_stores.update', betas } }, async (request) => {
    const store = memoryStores.get(request.params.memory_store_id);
    const body = parseBody(updateBody, request.body);
    mustBeOpen(store);
    store.metadata = patchMetadata(store.metadata, body.metadata);
    store.name = body.name ?? store.name;
    store.description = body.description ?? store.description;
    store.updated_at = state.clock.iso();
    return storeView(state.memoryStores.put(store.id, store));
  });

  app.post<OfStore>(
    `${itemPath}/archive`,
    { config: { fault: 'memory_stores.archive', betas } },
    async ({ params }) => {
      const store = memoryStores.get(params.memory_store_id);
      if (store.archived_at !== null) return storeView(store);
      store.archived_at = state.clock.iso();
      store.updated_at = store.archived_at;
      webhooks.emit('memory_store.archived', store.id);
      return storeView(state.memoryStores.put(store.id, store));
    },
  );

  app.delete<OfStore>(itemPath, { config: { fault: 'memory_stores.delete', betas } }, async ({ params }) => {
    const store = memoryStores.get(params.memory_store_id);
    memoryStores.deleteStore(store);
    webhooks.emit('memory_store.deleted', store.id);
    return { id: store.id, type: 'memory_store_deleted' };
  });
}

function storeView(store: MemoryStoreRecord): Record<string, unknown> {
  return { ...store, type: 'memory_store' };
}
