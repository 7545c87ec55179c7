/** Routes of the memories of a store and of their versions. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badRequest } from './errors.ts';
import { memoryBetas as betas, memoryActor, memoryCallers } from './memory-access.ts';
import { type Entry, entriesBelow } from './memory-paths.ts';
import { createdAtFilter, creationKey, type PageQuery, paginate } from './pagination.ts';
import { parseBody } from './params.ts';
import type { Actor, MemoryRecord, MemoryStoreRecord, MemoryVersionRecord } from './resource-records.ts';
import type { Service } from './service.ts';

interface OfStore {
  Params: { memory_store_id: string };
}
interface OfMemory {
  Params: { memory_store_id: string; memory_id: string };
}
interface OfVersion {
  Params: { memory_store_id: string; memory_version_id: string };
}
type Query = { Querystring: PageQuery & Record<string, string | undefined> };

const MAX_PAGE = 100;
const MAX_FULL_PAGE = 20;
const SHA256 = /^[0-9a-f]{64}$/;

const createBody = z.strictObject({ path: z.string(), content: z.string().nullable() });
const updateBody = z.strictObject({
  path: z.string().nullish(),
  content: z.string().nullish(),
  precondition: z
    .strictObject({ type: z.literal('content_sha256'), content_sha256: z.string().regex(SHA256).optional() })
    .nullish(),
});

export function memoryRoutes(app: FastifyInstance, service: Service): void {
  const { state, identity, memoryStores } = service;
  const base = '/v1/memory_stores/:memory_store_id';
  const itemPath = `${base}/memories/:memory_id`;
  const config = (fault: string) => ({ config: { fault, betas, accepts: memoryCallers } });
  const open = (request: FastifyRequest<OfStore>, writes: boolean): [MemoryStoreRecord, Actor] => {
    const store = memoryStores.get(request.params.memory_store_id);
    return [store, memoryActor(request.caller, store, writes, state, identity)];
  };

  app.post<OfStore & Query>(`${base}/memories`, config('memories.create'), async (request) => {
    const [store, actor] = open(request, true);
    const full = isFull(request.query.view, false);
    const { path, content } = parseBody(createBody, request.body);
    return memoryView(memoryStores.create(store, path, content ?? '', actor), full);
  });

  app.get<OfStore & Query>(`${base}/memories`, config('memories.list'), async (request) => {
    const [store] = open(request, false);
    const { query } = request;
    const full = isFull(query.view, false);
    const depth = Number(query.depth ?? 0);
    if (!Number.isInteger(depth) || depth < 0) throw badRequest('depth: must be an integer of zero or more');
    const entries = entriesBelow(memoryStores.memories(store), String(query.path_prefix ?? ''), depth);
    const page = paginate(entries, (entry) => entry.path, 'asc', capped(query, full), MAX_PAGE, MAX_PAGE);
    return { data: page.data.map((entry) => entryView(entry, full)), next_page: page.next_page };
  });

  app.get<OfMemory & Query>(itemPath, config('memories.retrieve'), async (request) => {
    const [store] = open(request, false);
    return memoryView(memoryStores.memory(store, request.params.memory_id), isFull(request.query.view, true));
  });

  // Older clients send PATCH.
  app.route<OfMemory & Query>({
    method: ['POST', 'PATCH'],
    url: itemPath,
    ...config('memories.update'),
    handler: async (request) => {
      const [store, actor] = open(request, true);
      const full = isFull(request.query.view, false);
      const memory = memoryStores.memory(store, request.params.memory_id);
      const { precondition, ...wanted } = parseBody(updateBody, request.body);
      const expected = precondition?.content_sha256;
      return memoryView(memoryStores.update(store, memory, wanted, expected, actor), full);
    },
  });

  app.delete<OfMemory & Query>(itemPath, config('memories.delete'), async (request) => {
    const [store, actor] = open(request, true);
    const memory = memoryStores.memory(store, request.params.memory_id);
    const expected = request.query.expected_content_sha256;
    if (expected !== undefined && !SHA256.test(expected)) {
      throw badRequest('expected_content_sha256: must be 64 lowercase hexadecimal characters');
    }
    memoryStores.delete(memory, expected, actor);
    return { id: memory.id, type: 'memory_deleted' };
  });

  app.get<OfStore & Query>(`${base}/memory_versions`, config('memory_versions.list'), async (request) => {
    const [store] = open(request, false);
    const { query } = request;
    const full = isFull(query.view, false);
    const found = memoryStores.versions(store).filter(versionFilter(query));
    const page = paginate(found, creationKey, 'desc', capped(query, full), MAX_FULL_PAGE, MAX_PAGE);
    return { data: page.data.map((version) => versionView(version, full)), next_page: page.next_page };
  });

  app.get<OfVersion & Query>(
    `${base}/memory_versions/:memory_version_id`,
    config('memory_versions.retrieve'),
    async (request) => {
      const [store] = open(request, false);
      const version = memoryStores.version(store, request.params.memory_version_id);
      return versionView(version, isFull(request.query.view, true));
    },
  );

  app.post<OfVersion>(
    `${base}/memory_versions/:memory_version_id/redact`,
    { config: { fault: 'memory_versions.redact', betas } },
    async (request) => {
      const [store, actor] = open(request, true);
      const version = memoryStores.version(store, request.params.memory_version_id);
      return versionView(memoryStores.redact(version, actor), true);
    },
  );
}

function isFull(view: string | undefined, fallback: boolean): boolean {
  if (view === undefined || view === '') return fallback;
  if (view === 'full' || view === 'basic') return view === 'full';
  throw badRequest('view: must be basic or full');
}

/** Pages with contents have a lower maximum; a higher limit is reduced to it. */
function capped(query: PageQuery, full: boolean): PageQuery {
  const { page, limit } = query;
  const tooMany = full && (limit === undefined || Number(limit) > MAX_FULL_PAGE);
  return { page, limit: tooMany ? String(MAX_FULL_PAGE) : limit };
}

function versionFilter(query: Record<string, string | undefined>): (version: MemoryVersionRecord) => boolean {
  const { memory_id, operation, session_id, api_key_id, service_account_id } = query;
  const inTimeRange = createdAtFilter(query);
  return ({ created_by, ...version }) =>
    (memory_id === undefined || version.memory_id === memory_id) &&
    (operation === undefined || version.operation === operation) &&
    (session_id === undefined ||
      (created_by.type === 'session_actor' && created_by.session_id === session_id)) &&
    (api_key_id === undefined || (created_by.type === 'api_actor' && created_by.api_key_id === api_key_id)) &&
    // The simulator has no service accounts.
    service_account_id === undefined &&
    inTimeRange(version.created_at);
}

function memoryView(memory: MemoryRecord, full: boolean): Record<string, unknown> {
  return { ...memory, type: 'memory', content: full ? memory.content : null };
}

function entryView({ path, memory }: Entry, full: boolean): Record<string, unknown> {
  return memory ? memoryView(memory, full) : { type: 'memory_prefix', path };
}

function versionView(version: MemoryVersionRecord, full: boolean): Record<string, unknown> {
  return { ...version, type: 'memory_version', content: full ? version.content : null };
}
