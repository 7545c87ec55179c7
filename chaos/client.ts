// A client of the Anthropic SDK that gets its will through an unreliable service: asks again until it is answered,
// and looks first whether what it asked for has happened already.
import Anthropic, { APIError, toFile } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { Simulators } from '../harness/simulators.ts';
import type { World } from '../harness/world.ts';
import { type Brings, SKILL } from './plan.ts';

export type SessionEvent = BetaManagedAgentsSessionEvent;

const AGAIN_AFTER_MS = 300;
const REQUEST_WITHIN_MS = 30_000;
const TURN_POLL_MS = 1_500;
/** What never goes through, however often it is asked. */
export interface Opened {
  id: string;
  /** Its memory store, if it brings one. */
  storeId: string | null;
}

export interface Store {
  /** Contents by path. */
  holds: Record<string, string>;
  /** What was done to it, `<operation> <path>`. */
  changes: string[];
}

const HOPELESS = new Set([400, 401, 403, 404, 422]);

export class Client {
  readonly #api: Anthropic;
  readonly #told: Simulators['anthropic'];
  readonly #admin: World['admin'];
  #skilledAgent = '';

  constructor({ simulators, admin }: Pick<World, 'simulators' | 'admin'>) {
    this.#told = simulators.anthropic;
    this.#admin = admin;
    const { apiKey, url: baseURL } = this.#told;
    // The SDK's own retries would send a message twice whose answer was lost.
    this.#api = new Anthropic({ apiKey, baseURL, maxRetries: 0, timeout: REQUEST_WITHIN_MS });
  }

  /** Makes what sessions bring along. Nothing fails yet. */
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

  async open(title: string, { memory, skill }: Brings): Promise<Opened> {
    const storeId = memory ? await this.#openStore(title) : null;
    const resources = storeId
      ? [{ type: 'memory_store' as const, memory_store_id: storeId, access: 'read_write' as const }]
      : [];
    const create = async () => {
      const { agentId, environmentId: environment_id } = this.#told;
      const agent = skill ? this.#skilledAgent : agentId;
      return (await this.#api.beta.sessions.create({ agent, environment_id, title, resources })).id;
    };
    const id = await persist(create, async () => {
      for await (const session of this.#api.beta.sessions.list({ limit: 100 }))
        if (session.title === title) return session.id;
      return undefined;
    });
    return { id, storeId };
  }

  #openStore(name: string): Promise<string> {
    const { memoryStores } = this.#api.beta;
    return persist(
      async () => (await memoryStores.create({ name })).id,
      async () => {
        for await (const store of memoryStores.list({ limit: 100 })) if (store.name === name) return store.id;
        return undefined;
      },
    );
  }

  store(storeId: string): Promise<Store> {
    const { memories, memoryVersions } = this.#api.beta.memoryStores;
    return persist(async () => {
      const store: Store = { holds: {}, changes: [] };
      for await (const memory of memories.list(storeId, { view: 'full' }))
        if (memory.type === 'memory') store.holds[memory.path] = memory.content ?? '';
      for await (const { operation, path } of memoryVersions.list(storeId))
        store.changes.push(`${operation} ${path}`);
      return store;
    });
  }

  /** Waits until the session has made the call that says this, and allows it so much later. */
  async allow(sessionId: string, token: string, afterMs: number, signal: AbortSignal): Promise<void> {
    const { events } = this.#api.beta.sessions;
    const latest = async (type: 'agent.tool_use' | 'user.tool_confirmation') =>
      (await events.list(sessionId, { limit: 100, order: 'desc', types: [type] })).data;
    for (;;) {
      const seen = await latest('agent.tool_use').catch(() => []);
      const call = seen.find((event) => JSON.stringify(event).includes(`${token} began`));
      if (!call) {
        await sleep(TURN_POLL_MS, signal);
        continue;
      }
      await sleep(afterMs, signal);
      const confirmation = { type: 'user.tool_confirmation', tool_use_id: call.id, result: 'allow' } as const;
      const send = async () => void (await events.send(sessionId, { events: [confirmation] }));
      await persist(send, async () =>
        JSON.stringify(await latest('user.tool_confirmation')).includes(call.id) ? null : undefined,
      );
      return;
    }
  }

  /** @param marker tells this message from all others of the session */
  async say(sessionId: string, marker: string, text: string): Promise<void> {
    const event = { type: 'user.message' as const, content: [{ type: 'text' as const, text }] };
    const send = async () => void (await this.#api.beta.sessions.events.send(sessionId, { events: [event] }));
    await persist(send, async () => {
      const query = { limit: 100, order: 'desc' as const, types: ['user.message' as const] };
      const { data } = await this.#api.beta.sessions.events.list(sessionId, query);
      return JSON.stringify(data).includes(marker) ? null : undefined;
    });
  }

  /** An interrupt that comes twice finds nothing to interrupt. */
  async interrupt(sessionId: string): Promise<void> {
    const events = [{ type: 'user.interrupt' as const }];
    await persist(async () => void (await this.#api.beta.sessions.events.send(sessionId, { events })));
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
    return persist(async () => {
      const events: SessionEvent[] = [];
      for await (const event of this.#api.beta.sessions.events.list(sessionId, { limit: 1000 }))
        events.push(event);
      return events;
    });
  }

  /** Ids of all sessions that are neither archived nor deleted. */
  sessions(): Promise<string[]> {
    return persist(async () => {
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
    await persist(async () => {
      if (how === 'terminate') await this.#admin('anthropic', 'POST', `sessions/${sessionId}/terminate`);
      else await this.#api.beta.sessions[how](sessionId);
    }, gone);
  }
}

/**
 * Asks until there is an answer.
 * @param happened looks whether an earlier request went through; undefined if not
 * @throws what a request was refused with for good
 */
async function persist<Answer>(
  ask: () => Promise<Answer>,
  happened: () => Promise<Answer | null | undefined> = async () => undefined,
): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const done = await persist(happened as () => Promise<Answer | null | undefined>);
      if (done !== undefined) return done as Answer;
      if (error instanceof APIError && HOPELESS.has(error.status ?? 0)) throw error;
      await sleep(AGAIN_AFTER_MS);
    }
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
