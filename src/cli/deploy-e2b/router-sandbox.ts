// Finds and reaches the sandbox of a router.
import { Sandbox, type SandboxInfo } from 'e2b';
import { originOf } from '../../clients/e2b.ts';
import { HOME_FOLDER, layoutIn, ROUTER_MARK, WEBHOOK_PORT } from '../../inside-e2b/layout.ts';
import { routerCommand } from '../../program-name.ts';
import { CommandError, EXIT } from '../command.ts';
import { connection, explainE2BError, sandboxesWith } from '../setup/templates.ts';
import type { Target } from './target.ts';

export const TEMPLATE_NAME = 'managed-agents-router-inside-e2b';
export const LAYOUT = layoutIn(HOME_FOLDER);
/** How long a command keeps a sandbox awake that it looks into; E2B never shortens what is left. */
const LOOK_MS = 5 * 60_000;

export function metadataOf({ deployment, environmentId }: Target): Record<string, string> {
  return { managed_by: ROUTER_MARK, deployment, environment: environmentId };
}

/** The sandboxes of this router, running and paused: none, one, or by mistake several. */
export function findRouters(target: Target): Promise<SandboxInfo[]> {
  return sandboxesWith(target.e2b, metadataOf(target));
}

/**
 * @param sandboxId chooses among several
 * @throws CommandError if there is none, or several and none is chosen
 */
export async function oneRouter(target: Target, sandboxId?: string): Promise<SandboxInfo> {
  const all = await findRouters(target);
  const found = sandboxId ? all.filter((each) => each.sandboxId === sandboxId) : all;
  const [router, ...others] = found;
  if (!router)
    throw new CommandError(
      `There is no router inside E2B for the environment ${target.environmentId} (deployment ${target.deployment})` +
        `${sandboxId ? ` in the sandbox ${sandboxId}` : `: run ${routerCommand('deploy e2b')}`}`,
      EXIT.notFound,
    );
  if (others.length > 0) throw tooMany(target, found);
  return router;
}

export function tooMany({ environmentId }: Target, routers: readonly SandboxInfo[]): CommandError {
  const ids = routers.map(({ sandboxId }) => sandboxId);
  return new CommandError(
    `${ids.length} sandboxes run a router for the environment ${environmentId} (${ids.join(', ')}), and they take each other's ` +
      'work. Keep the one whose address is registered as webhook, and remove the other: ' +
      routerCommand('deploy e2b destroy --sandbox ID'),
    EXIT.refused,
  );
}

/** Connects; a router that sleeps wakes up. */
export async function connectRouter(
  { e2b }: Target,
  sandboxId: string,
  timeoutMs = LOOK_MS,
): Promise<Sandbox> {
  try {
    return await Sandbox.connect(sandboxId, { ...connection(e2b), timeoutMs });
  } catch (error) {
    throw explainE2BError(error);
  }
}

/** `https://8000-<sandbox id>.e2b.app/webhook`. Without connecting: that would wake the router. */
export function webhookUrl(
  { e2b: { domain, sandboxUrl } }: Target,
  sandboxId: string,
  host?: string,
): string {
  const { protocol, port } = new URL(sandboxUrl ?? 'https://-');
  const name =
    host ?? `${WEBHOOK_PORT}-${sandboxId}.${domain ?? (sandboxUrl ? `localhost:${port}` : 'e2b.app')}`;
  return `${protocol}//${name}/webhook`;
}

export interface Health {
  ok: boolean;
  version: string;
  signingKeySet: boolean;
}

/** @returns undefined if the router does not answer */
export async function askHealth(sandbox: Sandbox, { e2b }: Target): Promise<Health | undefined> {
  const { origin, headers } = originOf(sandbox, WEBHOOK_PORT, e2b.sandboxUrl);
  try {
    const answer = await fetch(`${origin}/health`, { headers, signal: AbortSignal.timeout(10_000) });
    return answer.ok ? ((await answer.json()) as Health) : undefined;
  } catch {
    return undefined;
  }
}

/** Quotes a word for a shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
