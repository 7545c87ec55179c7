/** Memory stores: memories with optimistic concurrency control, and a version for each change. */
import { createHash } from 'node:crypto';
import { badRequest, notFound, TypedError } from './errors.ts';
import { newId } from './ids.ts';
import { checkPath, overlaps } from './memory-paths.ts';
import type { Actor, MemoryRecord, MemoryStoreRecord, MemoryVersionRecord } from './resource-records.ts';
import type { State } from './state.ts';

const MAX_CONTENT_BYTES = 102_400;
const MAX_MEMORIES = 2000;

export class MemoryStores {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Throws 404. */
  get(id: string): MemoryStoreRecord {
    const store = this.#state.memoryStores.get(id);
    if (!store) throw notFound('Memory store', id);
    return store;
  }

  /** Throws 404. */
  memory(store: MemoryStoreRecord, id: string): MemoryRecord {
    const memory = this.#state.memories.get(id);
    if (memory?.memory_store_id !== store.id) throw notFound('Memory', id);
    return memory;
  }

  /** Throws 404. */
  version(store: MemoryStoreRecord, id: string): MemoryVersionRecord {
    const version = this.#state.memoryVersions.get(id);
    if (version?.memory_store_id !== store.id) throw notFound('Memory version', id);
    return version;
  }

  memories(store: MemoryStoreRecord): MemoryRecord[] {
    return this.#state.memories.values().filter((memory) => memory.memory_store_id === store.id);
  }

  versions(store: MemoryStoreRecord): MemoryVersionRecord[] {
    return this.#state.memoryVersions.values().filter((version) => version.memory_store_id === store.id);
  }

  /** Throws 400 for an invalid path or content, 409 if the path conflicts with another memory. */
  create(store: MemoryStoreRecord, path: string, content: string, actor: Actor): MemoryRecord {
    mustBeOpen(store);
    checkPath(path);
    checkContent(content);
    const others = this.memories(store);
    mustBeFree(others, path);
    if (others.length >= MAX_MEMORIES) {
      throw badRequest(`Memory store ${store.id} holds ${MAX_MEMORIES} memories, the most it can.`);
    }
    const now = this.#state.clock.iso();
    const memory: MemoryRecord = {
      id: newId('mem'),
      memory_store_id: store.id,
      memory_version_id: '',
      path,
      ...digest(content),
      created_at: now,
      updated_at: now,
    };
    return this.#changed(memory, 'created', actor);
  }

  /** Throws 409 if the current content is not the expected one; an update that changes nothing always succeeds. */
  update(
    store: MemoryStoreRecord,
    memory: MemoryRecord,
    wanted: { path?: string | null | undefined; content?: string | null | undefined },
    expectedSha: string | undefined,
    actor: Actor,
  ): MemoryRecord {
    mustBeOpen(store);
    const path = wanted.path ?? memory.path;
    const content = wanted.content ?? memory.content;
    checkPath(path);
    checkContent(content);
    if (path === memory.path && content === memory.content) return memory;
    mustMatch(memory, expectedSha);
    mustBeFree(
      this.memories(store).filter((other) => other.id !== memory.id),
      path,
    );
    Object.assign(memory, { path, ...digest(content), updated_at: this.#state.clock.iso() });
    return this.#changed(memory, 'modified', actor);
  }

  /** Deletes the memory but keeps its versions. Throws 409 if the current content is not the expected one. */
  delete(memory: MemoryRecord, expectedSha: string | undefined, actor: Actor): void {
    mustMatch(memory, expectedSha);
    this.#changed(memory, 'deleted', actor);
    this.#state.memories.delete(memory.id);
  }

  /** Empties a version. Throws 400 for the current version of an existing memory. */
  redact(version: MemoryVersionRecord, actor: Actor): MemoryVersionRecord {
    if (this.#state.memories.get(version.memory_id)?.memory_version_id === version.id) {
      throw badRequest(`Memory version ${version.id} is the current one; change or delete the memory first.`);
    }
    if (version.redacted_at !== null) return version;
    const emptied = { path: null, content: null, content_sha256: null, content_size_bytes: null };
    const redacted = { redacted_at: this.#state.clock.iso(), redacted_by: actor };
    return this.#state.memoryVersions.put(version.id, Object.assign(version, emptied, redacted));
  }

  /** Deletes the store with its memories and versions. */
  deleteStore(store: MemoryStoreRecord): void {
    for (const { id } of this.memories(store)) this.#state.memories.delete(id);
    for (const { id } of this.versions(store)) this.#state.memoryVersions.delete(id);
    this.#state.memoryStores.delete(store.id);
  }

  /** Stores a changed memory with a new version. */
  #changed(memory: MemoryRecord, operation: MemoryVersionRecord['operation'], actor: Actor): MemoryRecord {
    const deleted = operation === 'deleted';
    const version: MemoryVersionRecord = {
      id: newId('memver'),
      memory_id: memory.id,
      memory_store_id: memory.memory_store_id,
      operation,
      path: memory.path,
      content: deleted ? null : memory.content,
      content_sha256: deleted ? null : memory.content_sha256,
      content_size_bytes: deleted ? null : memory.content_size_bytes,
      created_at: this.#state.clock.iso(),
      created_by: actor,
      redacted_at: null,
      redacted_by: null,
    };
    this.#state.memoryVersions.put(version.id, version);
    memory.memory_version_id = version.id;
    return this.#state.memories.put(memory.id, memory);
  }
}

/** Throws 400 for an archived store: its memories can only be read and deleted. */
export function mustBeOpen(store: MemoryStoreRecord): void {
  if (store.archived_at !== null) throw badRequest(`Memory store ${store.id} is archived.`);
}

function mustMatch(memory: MemoryRecord, expectedSha: string | undefined): void {
  if (expectedSha === undefined || expectedSha === memory.content_sha256) return;
  const message = `The content of memory ${memory.id} does not have the expected content_sha256.`;
  throw new TypedError(409, 'memory_precondition_failed_error', message);
}

function mustBeFree(others: MemoryRecord[], path: string): void {
  const inTheWay = others.find((other) => overlaps(other.path, path));
  if (!inTheWay) return;
  throw new TypedError(409, 'memory_path_conflict_error', `The path ${path} is taken by ${inTheWay.path}.`, {
    conflicting_memory_id: inTheWay.id,
    conflicting_path: inTheWay.path,
  });
}

function checkContent(content: string): void {
  if (/\p{Cs}/u.test(content)) throw badRequest('content: must be valid Unicode');
  if (Buffer.byteLength(content) > MAX_CONTENT_BYTES) {
    throw badRequest(`content: at most ${MAX_CONTENT_BYTES} bytes`);
  }
}

function digest(content: string) {
  return {
    content,
    content_sha256: createHash('sha256').update(content, 'utf8').digest('hex'),
    content_size_bytes: Buffer.byteLength(content),
  };
}
