/** Creates and connects the parts of the simulator that its routes use. */
import { setMaxListeners } from 'node:events';
import type { FastifyBaseLogger } from 'fastify';
import { EventLog } from './event-log.ts';
import { Inbox } from './inbox.ts';
import { MemoryStores } from './memory-stores.ts';
import { RealModel, type RealModelOptions } from './real-model.ts';
import { Sessions } from './sessions.ts';
import { Skills } from './skills.ts';
import type { Identity, State } from './state.ts';
import { Statuses } from './statuses.ts';
import { Turns } from './turns.ts';
import { Webhooks } from './webhooks.ts';
import { WorkQueue } from './work-queue.ts';

export interface Service {
  state: State;
  identity: Identity;
  events: EventLog;
  queue: WorkQueue;
  webhooks: Webhooks;
  statuses: Statuses;
  turns: Turns;
  inbox: Inbox;
  sessions: Sessions;
  skills: Skills;
  memoryStores: MemoryStores;
  /** URL of the simulator; known once it listens. */
  url: string;
  /** Aborts when the simulator closes: ends polls and streams. */
  closing: AbortController;
}

export function createService(
  state: State,
  identity: Identity,
  log: FastifyBaseLogger,
  model?: RealModelOptions,
): Service {
  const events = new EventLog(state);
  const queue = new WorkQueue(state);
  const webhooks = new Webhooks(state, identity, log);
  const statuses = new Statuses(state, events, webhooks);
  const turns = new Turns(state, events, queue, statuses, model && new RealModel(model));
  const inbox = new Inbox(state, events, turns);
  const sessions = new Sessions({ state, events, queue, webhooks, statuses, turns, inbox });
  const closing = new AbortController();
  // Every open poll and stream adds a listener: Node must not warn about their number.
  setMaxListeners(0, closing.signal);
  const skills = new Skills(state);
  const memoryStores = new MemoryStores(state);
  const parts = { events, queue, webhooks, statuses, turns, inbox, sessions, skills, memoryStores };
  return { state, identity, ...parts, url: '', closing };
}
