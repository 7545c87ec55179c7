// What a memory store holds, as files could show it.
import type Anthropic from '@anthropic-ai/sdk';
import type { Memory } from './merge.ts';

type Memories = Anthropic['beta']['memoryStores']['memories'];

const BASIC_PAGE = 100;

/** By relative path; what cannot be a file is left out. */
export async function listMemories(memories: Memories, storeId: string, problem: (what: string) => void) {
  const listed = new Map<string, Memory>();
  for await (const item of memories.list(storeId, { view: 'basic', limit: BASIC_PAGE })) {
    if (item.type !== 'memory') continue;
    const path = item.path.replace(/^\/+/, '');
    if (isClean(path)) listed.set(path, { id: item.id, sha: item.content_sha256 });
    else problem(`${JSON.stringify(item.path.slice(0, 100))} in the store cannot be the path of a file`);
  }
  for (const path of listed.keys()) {
    const parts = path.split('/');
    if (!parts.slice(1).some((_, index) => listed.has(parts.slice(0, index + 1).join('/')))) continue;
    listed.delete(path);
    problem(`${path} in the store lies below another memory, where no file can be`);
  }
  return listed;
}

function isClean(path: string): boolean {
  return (
    !path.includes('\0') &&
    path.split('/').every((part) => !['', '.', '..', '.anthropic-memory-store'].includes(part))
  );
}
