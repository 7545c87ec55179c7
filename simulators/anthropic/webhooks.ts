/**
 * Sends webhooks, signed according to Standard Webhooks: at most three attempts with jittered backoff on the
 * simulator's clock. An endpoint that redirects is disabled. Pending deliveries survive a restart.
 */

import { createHmac } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { FaultKind } from '../common/faults.ts';
import { newId } from './ids.ts';
import { post } from './post.ts';
import type { DeliveryRecord, EndpointRecord, Identity, State } from './state.ts';

const MAX_ATTEMPTS = 3;
const BACKOFF_MIN_MS = 5_000;
const BACKOFF_MAX_MS = 120_000;
/** How many finished deliveries remain visible in the state; they are pruned at twice this number of deliveries. */
const KEPT_DELIVERIES = 500;

export class Webhooks {
  readonly #state: State;
  readonly #identity: Identity;
  readonly #log: FastifyBaseLogger;
  readonly #closing = new AbortController();

  constructor(state: State, identity: Identity, log: FastifyBaseLogger) {
    this.#state = state;
    this.#identity = identity;
    this.#log = log;
  }

  /** Schedules the pending deliveries of an earlier process. */
  start(): void {
    for (const delivery of this.#state.deliveries.values()) {
      if (delivery.state === 'pending') this.#schedule(delivery);
    }
  }

  stop(): void {
    this.#closing.abort();
  }

  /** Sends an event about the object with this id to all subscribed endpoints; `more`: further data of the event. */
  emit(type: string, id: string, more: Record<string, unknown> = {}): void {
    const { organizationId, workspaceId } = this.#identity;
    const event = {
      type: 'event',
      id: newId('whe'),
      created_at: this.#state.clock.iso(),
      data: { type, id, organization_id: organizationId, workspace_id: workspaceId, ...more },
    };
    for (const endpoint of this.#state.endpoints.values()) {
      if (endpoint.url === null || endpoint.disabled || !subscribes(endpoint, type)) continue;
      this.#enqueue(endpoint, event.id, type, `${type} ${id}`, JSON.stringify(event));
    }
  }

  #enqueue(endpoint: EndpointRecord, event: string, type: string, subject: string, body: string): void {
    const fault = this.#state.faults.take('webhook.deliver', `${endpoint.url} ${endpoint.id} ${subject}`);
    const copies = fault?.kind === 'duplicated' ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const delivery: DeliveryRecord = {
        id: newId('whd'),
        endpoint: endpoint.id,
        event,
        type,
        body,
        attempts: 0,
        dueAt: this.#state.clock.now() + (fault?.latencyMs ?? 0),
        state: fault?.kind === 'lost' ? 'lost' : 'pending',
        lastStatus: null,
        firstAttempt: fault ? faultedAttempt(fault.kind) : null,
      };
      this.#state.deliveries.put(delivery.id, delivery);
      if (delivery.state === 'pending') this.#schedule(delivery);
    }
    this.#prune();
  }

  #schedule(delivery: DeliveryRecord): void {
    const wait = delivery.dueAt - this.#state.clock.now();
    this.#state.clock.setTimeout(() => void this.#attempt(delivery), wait);
  }

  async #attempt(delivery: DeliveryRecord): Promise<void> {
    const endpoint = this.#state.endpoints.get(delivery.endpoint);
    if (this.#closing.signal.aborted) return;
    if (endpoint?.url == null || endpoint.disabled) {
      this.#finish(delivery, 'lost');
      return;
    }
    // The receiver may fetch the object at once, so it must be on disk first.
    await this.#state.store.save();
    const faulted = delivery.attempts === 0 ? delivery.firstAttempt : null;
    const answer = faulted === 'unsent' ? faulted : await this.#post(endpoint.url, endpoint.secret, delivery);
    const status = faulted ?? answer;
    if (this.#closing.signal.aborted) return;
    delivery.attempts += 1;
    delivery.lastStatus = String(status);
    this.#log.info(
      { event: delivery.event, type: delivery.type, attempt: delivery.attempts, status },
      'webhook sent',
    );
    if (typeof status === 'number' && status >= 200 && status < 300) this.#finish(delivery, 'delivered');
    else if (typeof status === 'number' && status >= 300 && status < 400)
      this.#disable(endpoint, delivery, status);
    else if (delivery.attempts >= MAX_ATTEMPTS) this.#finish(delivery, 'failed');
    else {
      delivery.dueAt = this.#state.clock.now() + backoff(delivery.attempts);
      this.#state.deliveries.put(delivery.id, delivery);
      this.#schedule(delivery);
    }
    await this.#state.store.save();
  }

  /** Sends one request. Returns the status of the answer, or the error code. */
  async #post(url: string, secret: string, delivery: DeliveryRecord): Promise<number | string> {
    // Each attempt has a new timestamp in real time: the receiver compares it with its own clock.
    const timestamp = String(Math.floor(Date.now() / 1000));
    const timeout = new AbortController();
    const limitMs = this.#state.switches.number('webhook-timeout-seconds') * 1000;
    const timer = setTimeout(() => timeout.abort(new DOMException('too late', 'TimeoutError')), limitMs);
    try {
      return await post(
        url,
        {
          'content-type': 'application/json',
          'webhook-id': delivery.event,
          'webhook-timestamp': timestamp,
          'webhook-signature': sign(secret, delivery.event, timestamp, delivery.body),
        },
        delivery.body,
        AbortSignal.any([timeout.signal, this.#closing.signal]),
      );
    } catch (error) {
      const { name, code } = error as Error & { code?: unknown };
      return typeof code === 'string' ? code : name;
    } finally {
      clearTimeout(timer);
    }
  }

  #disable(endpoint: EndpointRecord, delivery: DeliveryRecord, status: number): void {
    endpoint.disabled = `answered ${status}; redirects are never followed`;
    this.#state.endpoints.put(endpoint.id, endpoint);
    this.#finish(delivery, 'failed');
  }

  #finish(delivery: DeliveryRecord, state: DeliveryRecord['state']): void {
    delivery.state = state;
    this.#state.deliveries.put(delivery.id, delivery);
  }

  #prune(): void {
    if (this.#state.deliveries.size <= 2 * KEPT_DELIVERIES) return;
    const done = this.#state.deliveries.values().filter((delivery) => delivery.state !== 'pending');
    for (const delivery of done.slice(0, -KEPT_DELIVERIES)) this.#state.deliveries.delete(delivery.id);
  }
}

/** How a fault spoils the first attempt: it is not sent, or its answer is ignored. */
function faultedAttempt(kind: FaultKind): DeliveryRecord['firstAttempt'] {
  if (kind === 'drop' || kind === 'status') return 'unsent';
  return kind === 'commit-then-drop' || kind === 'commit-then-status' ? 'unanswered' : null;
}

/** The header `webhook-signature`. `secret` is `whsec_` and the key in base64; `timestamp` is in seconds. */
export function sign(secret: string, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** `session.*` subscribes to all types with this prefix, `*` to all types. */
function subscribes(endpoint: EndpointRecord, type: string): boolean {
  return endpoint.types.some((wanted) =>
    wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type,
  );
}

/** Milliseconds until the next attempt: exponential, 5–120 s, plus up to 50 % jitter. */
function backoff(attempts: number): number {
  const base = BACKOFF_MIN_MS * 4 ** (attempts - 1) * (1 + Math.random() / 2);
  return Math.min(BACKOFF_MAX_MS, base);
}
