/** The organisation's request limits per minute: sent in headers, enforced only if a switch says so. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './errors.ts';
import type { State } from './state.ts';

const MINUTE_MS = 60_000;
const PER_MINUTE = { create: 300, read: 1200 };

export class RateLimits {
  readonly #state: State;
  #minute = 0;
  #used = { create: 0, read: 0 };

  constructor(state: State) {
    this.#state = state;
  }

  /** Counts a request and sets the rate-limit headers of its answer. Throws 429. */
  count(request: FastifyRequest, reply: FastifyReply): void {
    const now = this.#state.clock.now();
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#used = { create: 0, read: 0 };
    }
    const kind = request.method === 'GET' ? 'read' : 'create';
    this.#used[kind] += 1;
    const limit = PER_MINUTE[kind];
    const reset = (minute + 1) * MINUTE_MS;
    reply.headers({
      'anthropic-ratelimit-requests-limit': limit,
      'anthropic-ratelimit-requests-remaining': Math.max(0, limit - this.#used[kind]),
      'anthropic-ratelimit-requests-reset': new Date(reset).toISOString(),
    });
    if (this.#used[kind] <= limit || this.#state.switches.get('rate-limits') !== 'enforced') return;
    reply.header('retry-after', Math.ceil((reset - now) / 1000));
    throw new ApiError(429, `This request would exceed your organization's limit of ${limit} per minute.`);
  }
}
