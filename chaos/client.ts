// A client for an unreliable service: repeats each request until it is answered, but first checks whether an earlier
// attempt has succeeded although its answer was lost.
import Anthropic, { APIError, toFile } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { sleep } from '../activities/sleep.ts';
import type { Simulators } from '../harness/simulators.ts';
import type { World } from '../harness/world.ts';
import { type Extras, SKILL } from './plan.ts';

export type SessionEvent = BetaManagedAgentsSessionEvent;

const RETRY_MS = 300;
const REQUEST_WITHIN_MS = 30_000;
const TURN_POLL_MS = 1_500;
export interface OpenedSession {
  id: string;
  /** Id of its memory store, if it has one. */
  storeId: string | null;
}

export interface Store {
  /** Contents by path. */
  contents: Record<string, string>;
  /** All changes, as `<operation> <path>`. */
  changes: string[];
}

/** Statuses of errors for which repeating the request cannot help. */
const FINAL_STATUSES = new Set([400, 401, 403, 404, 422]);

export class Client {
  readonly #api: Anthropic;
  readonly #connection: Simulators['anthropic'];
  readonly #admin: World['admin'];
  #skilledAgent = '';

  constructor({ simulators, admin }: Pick<World, 'simulators' | 'admin'>) {
    this.#connection = simulators.anthropic;
    this.#admin = admin;
    const { apiKey, url: baseURL } = this.#connection;
    // The SDK's own retries would send a message twice if the first answer was lost.
    this.#api = new Anthropic({ apiKey, baseURL, maxRetries: 0, timeout: REQUEST_WITHIN_MS });
  }

  /** Creates the skill and its agent, before any fault is injected. */
  async prepare(): Promise<void> {
    const text = `---\nname: ${SKILL}\ndescription: Is there.\n---\nNothing to do.\n`;
    const { skills, agents } = this.#api.beta;
    const skill = await skills.create({ files: [await toFile(Buffer.from(text), `${SKILL}/SKILL.md`)] });
    const agent = await agents.create({
      name: 'with a skill',
      model: 'claude-sonnet-5',
      tools: [{ type: 'agent_toolset_20260401' }],
      skills: [{ type: 'custom', skill_id: skill.id }],
    });
    this.#skilledAgent = agent.id;
  }

  async openSession(title: string, { memory, skill }: Extras): Promise<OpenedSession> {
    const storeId = memory ? await this.#openStore(title) : null;
    const resources = storeId
      ? [{ type: 'memory_store' as const, memory_store_id: storeId, access: 'read_write' as const }]
      : [];
    const create = async () => {
      const { agentId, environmentId: environment_id } = this.#connection;
      const agent = skill ? this.#skilledAgent : agentId;
      return (await this.#api.beta.sessions.create({ agent, environment_id, title, resources })).id;
    };
    const id = await retryUntilAnswered(create, async () => {
      for await (const session of this.#api.beta.sessions.list({ limit: 100 }))
        if (session.title === title) return session.id;
      return undefined;
    });
    return { id, storeId };
  }

  #openStore(name: string): Promise<string> {
    const { memoryStores } = this.#api.beta;
    return retryUntilAnswered(
      async () => (await memoryStores.create({ name })).id,
      async () => {
        for await (const store of memoryStores.list({ limit: 100 })) if (store.name === name) return store.id;
        return undefined;
      },
    );
  }

  store(storeId: string): Promise<Store> {
    const { memories, memoryVersions } = this.#api.beta.memoryStores;
    return retryUntilAnswered(async () => {
      const store: Store = { contents: {}, changes: [] };
      for await (const memory of memories.list(storeId, { view: 'full' }))
        if (memory.type === 'memory') store.contents[memory.path] = memory.content ?? '';
      for await (const { operation, path } of memoryVersions.list(storeId))
        store.changes.push(`${operation} ${path}`);
      return store;
    });
  }

  /** Waits for the session's call with this token, and approves it `afterMs` later. */
  async approve(sessionId: string, token: string, afterMs: number, signal: AbortSignal): Promise<void> {
    const { events } = this.#api.beta.sessions;
    const latest = async (type: 'agent.tool_use' | 'user.tool_confirmation') =>
      (await events.list(sessionId, { limit: 100, order: 'desc', types: [type] })).data;
    for (;;) {
      const sessions = await latest('agent.tool_use').catch(() => []);
      const call = sessions.find((event) => JSON.stringify(event).includes(`${token} began`));
      if (!call) {
        await sleep(TURN_POLL_MS, signal);
        continue;
      }
      await sleep(afterMs, signal);
      const confirmation = {
        type: 'user.tool_confirmation',
        tool_use_id: call.id,
        result: 'allow',
      } as const;
      const send = async () => void (await events.send(sessionId, { events: [confirmation] }));
      await retryUntilAnswered(send, async () =>
        JSON.stringify(await latest('user.tool_confirmation')).includes(call.id) ? null : undefined,
      );
      return;
    }
  }

  /** @param marker a text that no other message of the session contains */
  async sendMessage(sessionId: string, marker: string, text: string): Promise<void> {
    const event = { type: 'user.message' as const, content: [{ type: 'text' as const, text }] };
    const send = async () => void (await this.#api.beta.sessions.events.send(sessionId, { events: [event] }));
    await retryUntilAnswered(send, async () => {
      const query = { limit: 100, order: 'desc' as const, types: ['user.message' as const] };
      const { data } = await this.#api.beta.sessions.events.list(sessionId, query);
      return JSON.stringify(data).includes(marker) ? null : undefined;
    });
  }

  /** Repeating an interrupt is harmless. */
  async interrupt(sessionId: string): Promise<void> {
    const events = [{ type: 'user.interrupt' as const }];
    await retryUntilAnswered(
      async () => void (await this.#api.beta.sessions.events.send(sessionId, { events })),
    );
  }

  async untilTurnEnds(sessionId: string, signal: AbortSignal): Promise<void> {
    const types = ['session.status_idle' as const, 'session.status_running' as const];
    for (;;) {
      signal.throwIfAborted();
      const query = { limit: 1, order: 'desc' as const, types };
      const last = await this.#api.beta.sessions.events.list(sessionId, query).then(
        ({ data }) => data[0],
        () => undefined,
      );
      if (last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn') return;
      await sleep(TURN_POLL_MS);
    }
  }

  /** All events of a session, oldest first. */
  events(sessionId: string): Promise<SessionEvent[]> {
    return retryUntilAnswered(async () => {
      const events: SessionEvent[] = [];
      for await (const event of this.#api.beta.sessions.events.list(sessionId, { limit: 1000 }))
        events.push(event);
      return events;
    });
  }

  /** Ids of all sessions that are neither archived nor deleted. */
  sessions(): Promise<string[]> {
    return retryUntilAnswered(async () => {
      const ids: string[] = [];
      for await (const session of this.#api.beta.sessions.list({ limit: 100 }))
        if (!session.archived_at) ids.push(session.id);
      return ids;
    });
  }

  async end(sessionId: string, how: 'archive' | 'delete' | 'terminate'): Promise<void> {
    const gone = async () => {
      const session = await this.#api.beta.sessions.retrieve(sessionId).catch((error) => {
        if (error instanceof APIError && error.status === 404) return null;
        throw error;
      });
      return session === null || session.archived_at || session.status === 'terminated' ? null : undefined;
    };
    await retryUntilAnswered(async () => {
      if (how === 'terminate') await this.#admin('anthropic', 'POST', `sessions/${sessionId}/terminate`);
      else await this.#api.beta.sessions[how](sessionId);
    }, gone);
  }
}

/**
 * Repeats the request until it is answered.
 * @param findEarlier returns the result of an earlier attempt that has succeeded, undefined if there is none
 * @throws errors for which repeating the request cannot help
 */
async function retryUntilAnswered<Answer>(
  ask: () => Promise<Answer>,
  findEarlier: () => Promise<Answer | null | undefined> = async () => undefined,
): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const done = await retryUntilAnswered(findEarlier as () => Promise<Answer | null | undefined>);
      if (done !== undefined) return done as Answer;
      if (error instanceof APIError && FINAL_STATUSES.has(error.status ?? 0)) throw error;
      await sleep(RETRY_MS);
    }
  }
}
