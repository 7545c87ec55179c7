// Memory stores and their folders in the sandbox, brought together. The calls to Anthropic are made here, with the work
// item's own token; the toolhost reads and writes files. Every step may be repeated: see merge.ts.
import { createHash } from 'node:crypto';
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import { type BudgetShare, shareForListing } from '../../src/clients/byte-budget.ts';
import { excerpt } from '../../src/clients/excerpt.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Toolhost } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import { scrub } from '../../src/log.ts';
import type { FileOutcome, MemoryScan } from '../../toolhost/protocol.ts';
import { MOST_PROBLEMS, type MountedStore, type SyncArgs, type Synced } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { forEachConcurrently } from '../for-each-concurrently.ts';
import { type OpenSandboxes, SandboxLost } from '../sandbox/open-sandboxes.ts';
import { toolhostOf } from '../sandbox/toolhost-setup.ts';
import { workItemClient } from '../work-queue/item-secret.ts';
import { listMemories } from './list-memories.ts';
import { type Folder, type Memory, merge, type Notes, type Plan } from './merge.ts';
import { notesOf } from './notes.ts';

/** The service's limits. */
const MAX_CONTENT_BYTES = 100 * 1024;
const MAX_PATH_BYTES = 1024;
const FULL_PAGE = 20;
/** Up to this many contents are fetched one by one; listing them takes fewer requests beyond. */
const FETCHED_SINGLY = 20;

type Memories = Anthropic['beta']['memoryStores']['memories'];

export function createMemoryActivities(deps: Deps, sandboxes: OpenSandboxes) {
  return {
    syncMemory: defineActivity(async (args: SyncArgs): Promise<Synced> => {
      const client = workItemClient(deps, args);
      if (!client) return { outcome: 'unavailable', reason: 'the work item brought no token for it' };
      const problems: string[] = [];
      try {
        const toolhost = await toolhostOf(deps, sandboxes, args.sandboxId);
        for (const store of args.stores) {
          const problem = (what: string) => {
            if (problems.length < MOST_PROBLEMS) problems.push(excerpt(`${store.mountPath}: ${what}`, 300));
          };
          const share = shareForListing();
          try {
            await syncStore(client.beta.memoryStores.memories, toolhost, store, args, share, problem);
          } finally {
            share.release();
          }
        }
      } catch (error) {
        sandboxes.forget(args.sandboxId);
        if (error instanceof SandboxLost) return { outcome: 'sandbox lost' };
        if (error instanceof APIError && (error.status === 401 || error.status === 403))
          return { outcome: 'unavailable', reason: scrub(`the service refuses it: ${error.message}`) };
        throw error;
      }
      for (const problem of problems) deps.log.warn({ sessionId: args.sessionId, problem }, 'memory');
      return { outcome: 'synced', problems };
    }),
  };
}

async function syncStore(
  memories: Memories,
  toolhost: Toolhost,
  store: MountedStore,
  { sessionId, last }: SyncArgs,
  share: BudgetShare,
  problem: (what: string) => void,
): Promise<void> {
  const { storeId, mountPath, readOnly } = store;
  let scan: MemoryScan;
  try {
    scan = await toolhost.mountMemory(storeId, { root: mountPath, readOnly }, share);
  } catch (error) {
    if (!(error instanceof SandboxHttpError) || error.status !== 422) throw error;
    return problem(error.message);
  }
  if (scan.marker === 'other')
    return problem('the folder is marked as that of another store, and left alone');
  if (!scan.complete) problem('the folder holds too many files: some are not synced');
  let listed: Map<string, Memory>;
  try {
    listed = await listMemories(memories, storeId, problem);
  } catch (error) {
    if (!(error instanceof APIError) || error.status !== 404) throw error;
    return problem('the store does not exist any more');
  }
  const before = notesOf(scan.notes, problem);
  const plan = merge(folderOf(scan), listed, before, { readOnly, last, now: Date.now() });
  for (const path of plan.conflicts) problem(`${path} changed on both sides: the store's version is taken`);
  const idle = [plan.push, plan.pull, plan.deleteMemory, plan.removeFile].every(
    (steps) => steps.length === 0,
  );
  if (idle && scan.marker === 'ours' && JSON.stringify(plan.notes) === JSON.stringify(before)) return;

  const revision = await toolhost.noteMemory(storeId, scan.revision, plan.notes);
  failpoint('memory-noted', sessionId);
  const notes = structuredClone(plan.notes);
  await push(memories, toolhost, storeId, plan, notes, problem);
  failpoint('memory-pushed', sessionId);
  await pull(memories, toolhost, storeId, plan, notes, problem);
  failpoint('memory-pulled', sessionId);
  await removeFiles(toolhost, storeId, plan, notes);
  await deleteMemories(memories, toolhost, storeId, plan, notes, share, problem);
  failpoint('memory-deleted', sessionId);
  await toolhost.noteMemory(storeId, revision, { ...notes, sent: {}, pulled: {} });
}

function folderOf({ marker, complete, files }: MemoryScan): Folder {
  const entries = Object.entries(files).map(
    ([path, { sha, size }]) => [path, sha ?? `${size} bytes`] as const,
  );
  return { marker, complete, files: new Map(entries) };
}

async function push(
  memories: Memories,
  toolhost: Toolhost,
  storeId: string,
  { push: steps }: Plan,
  notes: Notes,
  problem: (what: string) => void,
): Promise<void> {
  await forEachConcurrently(steps, async ({ path, sha, over }) => {
    const refuse = (why: string) => {
      notes.refused[path] = sha;
      problem(`${path} is not saved: ${why}`);
    };
    if (Buffer.byteLength(`/${path}`) > MAX_PATH_BYTES)
      return refuse(`its path is longer than ${MAX_PATH_BYTES} bytes`);
    let content: string | null;
    try {
      content = sha.includes(' ')
        ? 'x'.repeat(MAX_CONTENT_BYTES + 1)
        : await toolhost.readMemory(storeId, path);
    } catch (error) {
      if (error instanceof SandboxHttpError && error.status === 422) return refuse(error.message);
      throw error;
    }
    // Changed since it was looked at: its new content comes with the next sync.
    if (content === null || (!sha.includes(' ') && shaOf(content) !== sha)) return;
    if (Buffer.byteLength(content) > MAX_CONTENT_BYTES)
      return refuse(`it is larger than ${MAX_CONTENT_BYTES} bytes`);
    const saved = await save(memories, storeId, path, content, over);
    if (typeof saved === 'string') refuse(saved);
    else if (saved) notes.base[path] = saved.sha;
  });
}

/** @returns what was saved, why it never will be, or null where another change came first: the next sync handles it */
async function save(
  memories: Memories,
  storeId: string,
  path: string,
  content: string,
  over: Memory | null,
): Promise<{ sha: string } | string | null> {
  try {
    const memory = over
      ? await memories.update(over.id, {
          memory_store_id: storeId,
          content,
          precondition: { type: 'content_sha256', content_sha256: over.sha },
        })
      : await memories.create(storeId, { path: `/${path}`, content });
    return { sha: memory.content_sha256 };
  } catch (error) {
    const status = error instanceof APIError ? error.status : undefined;
    if (over && status === 404) return save(memories, storeId, path, content, null);
    if (status === 409 || status === 412) return null;
    if (status === 400 || status === 413 || status === 422) return scrub((error as Error).message);
    throw error;
  }
}

async function pull(
  memories: Memories,
  toolhost: Toolhost,
  storeId: string,
  { pull: steps }: Plan,
  notes: Notes,
  problem: (what: string) => void,
): Promise<void> {
  const wanted = new Map(steps.map((step) => [step.memory.id, step]));
  const write = async (items: { id: string; content: string | null; sha: string }[]) => {
    const found = items.flatMap(({ id, content, sha }) => {
      const step = wanted.get(id);
      return step ? [{ path: step.path, content: content ?? '', expect: step.was, sha }] : [];
    });
    if (found.length === 0) return;
    const outcomes = await toolhost.changeMemory(storeId, {
      write: found.map(({ sha: _, ...file }) => file),
    });
    for (const { path, sha } of found) {
      const outcome: FileOutcome | undefined = outcomes[path];
      if (outcome === 'done') notes.base[path] = sha;
      else if (typeof outcome === 'object') problem(`${path} cannot be written: ${outcome.failed}`);
    }
  };
  if (steps.length > FETCHED_SINGLY) {
    const page: Parameters<typeof write>[0] = [];
    for await (const item of memories.list(storeId, { view: 'full', limit: FULL_PAGE })) {
      if (item.type === 'memory')
        page.push({ id: item.id, content: item.content ?? '', sha: item.content_sha256 });
      if (page.length >= FULL_PAGE) await write(page.splice(0));
    }
    return write(page);
  }
  await forEachConcurrently(steps, async ({ memory: { id } }) => {
    try {
      const item = await memories.retrieve(id, { memory_store_id: storeId, view: 'full' });
      await write([{ id, content: item.content ?? '', sha: item.content_sha256 }]);
    } catch (error) {
      // Deleted since it was listed: the next sync handles it.
      if (!(error instanceof APIError) || error.status !== 404) throw error;
    }
  });
}

async function removeFiles(toolhost: Toolhost, storeId: string, plan: Plan, notes: Notes): Promise<void> {
  const remove = plan.removeFile.map(({ path, sha }) => ({ path, expect: sha }));
  if (remove.length === 0) return;
  const outcomes = await toolhost.changeMemory(storeId, { remove });
  for (const { path, sha } of plan.removeFile) {
    // The file was kept, but its memory is deleted: it must not be taken for a new file.
    if (typeof outcomes[path] === 'object') notes.base[path] = sha;
  }
}

/** Only what is missing at a second look too, in a folder that is still the store's. */
async function deleteMemories(
  memories: Memories,
  toolhost: Toolhost,
  storeId: string,
  plan: Plan,
  notes: Notes,
  share: BudgetShare,
  problem: (what: string) => void,
): Promise<void> {
  if (plan.deleteMemory.length === 0) return;
  const scan = await toolhost.scanMemory(storeId, share);
  if (scan.marker !== 'ours' || !scan.complete) return;
  await forEachConcurrently(plan.deleteMemory, async ({ path, memory }) => {
    if (scan.files[path]) return;
    const params = { memory_store_id: storeId, expected_content_sha256: memory.sha };
    try {
      await memories.delete(memory.id, params);
    } catch (error) {
      const status = error instanceof APIError ? error.status : undefined;
      if (status === 409 || status === 412)
        return problem(`${path} was deleted here and changed in the store: kept`);
      if (status !== 404) throw error;
    }
    delete notes.base[path];
    delete notes.missing[path];
  });
}

function shaOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
