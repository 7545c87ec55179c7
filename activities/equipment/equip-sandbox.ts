// Equips a session's sandbox with its agent's skills and the folders of its memory stores.
import { APIError } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSession } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Toolhost } from '../../src/clients/toolhost.ts';
import type { Equipment, MountedStore } from '../../workflows/contract.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { installSkills, type SkillArchives } from './skills.ts';

/** The service attaches at most this many. */
const MAX_STORES = 8;

type Equipped = Pick<BetaManagedAgentsSession, 'agent' | 'resources' | 'status' | 'archived_at'>;

/** @returns null for a session that cannot be seen: what it would bring does not matter */
export async function sessionOf({ anthropic }: Deps, sessionId: string): Promise<Equipped | null> {
  try {
    return await anthropic.environment.beta.sessions.retrieve(sessionId);
  } catch (error) {
    if (error instanceof APIError && classify(error).kind !== 'retry') return null;
    throw error;
  }
}

/**
 * Installs the skills, and makes the folders of the memory stores.
 * @returns what the workflow has to know; null for a session that brings nothing
 */
export async function equip(
  deps: Deps,
  archives: SkillArchives,
  toolhost: Toolhost,
  session: Equipped | null,
): Promise<Equipment | null> {
  const skills = session?.agent?.skills ?? [];
  const problems = skills.length > 0 ? await installSkills(deps, archives, toolhost, skills) : [];
  const { stores, excess } = storesOf(session?.resources ?? []);
  if (excess > 0) problems.push(`${excess} memory stores are left out: at most ${MAX_STORES} can be mounted`);
  for (const store of stores) await mount(toolhost, store);
  if (stores.length === 0 && problems.length === 0) return null;
  return { stores, problems: problems.slice(0, MAX_STORES) };
}

/** The folder exists before the first sync, which may have to wait for a token and saves what was written until then. */
async function mount(toolhost: Toolhost, { storeId, mountPath, readOnly }: MountedStore): Promise<void> {
  try {
    await toolhost.mountMemory(storeId, { root: mountPath, readOnly });
  } catch (error) {
    // The sync reports a path that cannot be used.
    if (!(error instanceof SandboxHttpError) || error.status !== 422) throw error;
  }
}

/** Resources of other kinds are not for a self-hosted environment. */
function storesOf(resources: BetaManagedAgentsSession['resources']): {
  stores: MountedStore[];
  excess: number;
} {
  const stores = resources.flatMap((resource) => {
    if (resource.type !== 'memory_store') return [];
    const { memory_store_id: storeId, mount_path, access } = resource;
    // A store without a path gets one; the toolhost decides which paths are allowed.
    const mountPath = mount_path || `/mnt/memory/${storeId}`;
    return [{ storeId, mountPath, readOnly: access === 'read_only' }];
  });
  return { stores: stores.slice(0, MAX_STORES), excess: Math.max(0, stores.length - MAX_STORES) };
}
