// The tokens of sessions as Anthropic reports them: one request for each session, paced.
import Anthropic, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  NotFoundError,
} from '@anthropic-ai/sdk';
import type { CommandSettings } from '../../config.ts';

/** Half of what an organisation may read in a minute: workers read, too. */
const PER_SECOND = 10;
const AT_ONCE = 8;
const TIMEOUT_MS = 15_000;
/** The SDK waits as long as the service asks for. */
const RETRIES = 4;
/** A service that has failed this often in a row is not asked any more. */
const MOST_FAILURES = 5;

export interface Tokens {
  agentId: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  cacheReadTokens: number | null;
  cacheWriteTokens: number | null;
  /** At public list prices, in US dollars. */
  listCostUsd: number | null;
}

export const NO_TOKENS: Tokens = {
  agentId: null,
  inputTokens: null,
  outputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  listCostUsd: null,
};

export class TokenReader {
  readonly #settings: CommandSettings;
  readonly #clients = new Map<string, Anthropic>();
  #nextAt = 0;
  #failures = 0;
  /** Sessions that were read. */
  read = 0;
  /** Sessions that the service does not know any more. */
  deleted = 0;
  /** Sessions that could not be read; why, in the words for people. */
  failed = 0;
  why: string | undefined;

  constructor(settings: CommandSettings) {
    this.#settings = settings;
  }

  /** @returns by session id; what could not be read is absent */
  async of(
    sessions: readonly { sessionId: string; environmentId: string | null }[],
  ): Promise<Map<string, Tokens>> {
    const found = new Map<string, Tokens>();
    const queue = sessions.values();
    const next = async () => {
      for (const { sessionId, environmentId } of queue) {
        const tokens = await this.#tokensOf(sessionId, environmentId);
        if (tokens) found.set(sessionId, tokens);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    return found;
  }

  async #tokensOf(sessionId: string, environmentId: string | null): Promise<Tokens | undefined> {
    const client = this.#clientFor(environmentId);
    if (!client || this.#failures >= MOST_FAILURES) {
      if (!client) this.why ??= 'no key for them: set ANTHROPIC_ENVIRONMENT_KEY or ANTHROPIC_API_KEY';
      this.failed += 1;
      return undefined;
    }
    await this.#pace();
    try {
      const session = await client.beta.sessions.retrieve(sessionId);
      this.#failures = 0;
      this.read += 1;
      return tokensOf(session);
    } catch (error) {
      if (error instanceof NotFoundError) this.deleted += 1;
      else {
        this.#failures += 1;
        this.failed += 1;
        this.why = explain(error);
      }
      return undefined;
    }
  }

  async #pace(): Promise<void> {
    const now = Date.now();
    this.#nextAt = Math.max(now, this.#nextAt + 1000 / PER_SECOND);
    if (this.#nextAt > now) await new Promise((resolve) => setTimeout(resolve, this.#nextAt - now));
  }

  /** With the key of the session's environment; else with that of the organisation, or of the only environment. */
  #clientFor(environmentId: string | null): Anthropic | undefined {
    const { environments, apiKey, baseUrl } = this.#settings;
    const [only, ...more] = environments;
    const environment = environments.find(({ id }) => id !== undefined && id === environmentId);
    const authToken = environment?.key ?? (apiKey || more.length > 0 ? undefined : only?.key);
    const key = authToken ?? apiKey;
    if (!key) return undefined;
    const known = this.#clients.get(key);
    if (known) return known;
    const client = new Anthropic({
      ...(authToken ? { authToken, apiKey: null } : { apiKey: key, authToken: null }),
      ...(baseUrl ? { baseURL: baseUrl } : {}),
      maxRetries: RETRIES,
      timeout: TIMEOUT_MS,
    });
    this.#clients.set(key, client);
    return client;
  }
}

type Session = Awaited<ReturnType<Anthropic['beta']['sessions']['retrieve']>>;

function tokensOf({ agent, usage }: Session): Tokens {
  const { cache_creation: written, list_cost: cost } = usage ?? {};
  const writes = [written?.ephemeral_1h_input_tokens, written?.ephemeral_5m_input_tokens].filter(
    (count) => count !== undefined,
  );
  return {
    agentId: agent?.id ?? null,
    inputTokens: usage?.input_tokens ?? null,
    outputTokens: usage?.output_tokens ?? null,
    cacheReadTokens: usage?.cache_read_input_tokens ?? null,
    cacheWriteTokens: writes.length > 0 ? writes.reduce((sum, count) => sum + count, 0) : null,
    // The service gives whole cents, as text.
    listCostUsd: cost?.currency === 'USD' ? Number(cost.amount) / 100 : null,
  };
}

function explain(error: unknown): string {
  if (error instanceof AuthenticationError)
    return 'Anthropic refuses the key: set ANTHROPIC_ENVIRONMENT_KEY or ANTHROPIC_API_KEY';
  if (error instanceof APIConnectionError)
    return 'Anthropic cannot be reached: check the network and ANTHROPIC_BASE_URL';
  if (error instanceof APIError) return `Anthropic answers with status ${error.status}; try again later`;
  throw error;
}
