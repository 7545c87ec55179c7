// Finds and removes templates on E2B, and finds the sandboxes that were made from them.
import {
  ApiClient,
  AuthenticationError,
  ConnectionConfig,
  RateLimitError,
  Sandbox,
  SandboxError,
  type SandboxInfo,
} from 'e2b';
import type { CommandSettings } from '../../config.ts';
import { CommandError, EXIT } from '../command.ts';

export type E2BAccess = CommandSettings['e2b'] & { apiKey: string };

export interface TemplateFound {
  id: string;
  /** Whether a sandbox can be made from it; false while a build runs, and after one that was broken off. */
  ready: boolean;
}

const PAGE = 100;

/** @param name with or without a tag @returns undefined if the team has no template of that name */
export async function findTemplate(e2b: E2BAccess, name: string): Promise<TemplateFound | undefined> {
  const [bare = ''] = name.split(':');
  let nextToken: string | undefined;
  do {
    const { data, response } = await ask(() =>
      apiOf(e2b).GET('/v2/templates', {
        params: { query: { limit: PAGE, ...(nextToken ? { nextToken } : {}) } },
      }),
    );
    for (const { templateID, names, aliases, buildStatus } of data) {
      // A name may have the team's name before it.
      const all = [...(names ?? []), ...(aliases ?? [])].map((each) => each.split('/').at(-1));
      if (templateID === bare || all.includes(bare))
        return { id: templateID, ready: buildStatus === 'ready' };
    }
    nextToken = response.headers.get('x-next-token') ?? undefined;
  } while (nextToken);
  return undefined;
}

/** Removes a template with all its builds; no error if it is gone already. */
export async function removeTemplate(e2b: E2BAccess, templateID: string): Promise<void> {
  await ask(() => apiOf(e2b).DELETE('/templates/{templateID}', { params: { path: { templateID } } }), 404);
}

/** All sandboxes of the team that run or are paused, with this metadata. */
export async function sandboxesWith(
  e2b: E2BAccess,
  metadata: Record<string, string>,
): Promise<SandboxInfo[]> {
  try {
    const found: SandboxInfo[] = [];
    const pages = Sandbox.list({ ...connection(e2b), query: { metadata, state: ['running', 'paused'] } });
    while (pages.hasNext) found.push(...(await pages.nextItems()));
    return found;
  } catch (error) {
    throw explainE2BError(error);
  }
}

export async function killSandbox(e2b: E2BAccess, sandboxId: string): Promise<void> {
  try {
    await Sandbox.kill(sandboxId, connection(e2b));
  } catch (error) {
    throw explainE2BError(error);
  }
}

/** @returns the same error if E2B did not send it */
export function explainE2BError(error: unknown): unknown {
  if (error instanceof AuthenticationError) return refused();
  if (error instanceof RateLimitError)
    return new CommandError(
      'E2B answers too many requests (429). Run the command again later',
      EXIT.unreachable,
    );
  if (error instanceof TypeError && error.message === 'fetch failed') return unreachable(error.cause);
  if (error instanceof SandboxError) return new CommandError(`E2B answers: ${error.message}`, EXIT.failed);
  return error;
}

interface Answer<T> {
  data?: T;
  error?: { message?: string };
  response: Response;
}

async function ask<T>(
  request: () => Promise<Answer<T>>,
  alsoFine?: number,
): Promise<{ data: T; response: Response }> {
  let answer: Answer<T>;
  try {
    answer = await request();
  } catch (error) {
    throw unreachable(error);
  }
  const { data, error, response } = answer;
  if (response.ok || response.status === alsoFine) return { data: data as T, response };
  if (response.status === 401 || response.status === 403) throw refused();
  const code = response.status === 429 || response.status >= 500 ? EXIT.unreachable : EXIT.refused;
  throw new CommandError(`E2B answers ${response.status}: ${error?.message ?? ''}`, code);
}

function refused(): CommandError {
  return new CommandError(
    'E2B refuses the key in E2B_API_KEY. Take one of your team from https://e2b.dev/dashboard?tab=keys',
    EXIT.unreachable,
  );
}

function unreachable(error: unknown): CommandError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CommandError(
    `E2B cannot be reached (${reason}). Check the network, a proxy, E2B_API_URL and E2B_DOMAIN`,
    EXIT.unreachable,
  );
}

function apiOf(e2b: E2BAccess): ApiClient['api'] {
  return new ApiClient(new ConnectionConfig(connection(e2b))).api;
}

export function connection({ apiKey, domain, apiUrl, sandboxUrl }: E2BAccess) {
  return {
    apiKey,
    ...(domain ? { domain } : {}),
    ...(apiUrl ? { apiUrl } : {}),
    ...(sandboxUrl ? { sandboxUrl } : {}),
  };
}
