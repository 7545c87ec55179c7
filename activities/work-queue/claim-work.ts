// Claims work items, one poll loop per process. Each item goes the same way, so that a crash at any point leaves
// it in the queue or in a workflow: signal its session's workflow, then acknowledge. The workflow's watch opens
// the lease: one owner from the first heartbeat on.
import { randomUUID } from 'node:crypto';
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import type { BetaSelfHostedWork } from '@anthropic-ai/sdk/resources/beta/environments/work';
import { SpanKind } from '@opentelemetry/api';
import { failpoint } from '../../src/failpoints.ts';
import { inSpan } from '../../src/traces/spans.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { sleep } from '../sleep.ts';
import { sealSecret } from './item-secret.ts';

const ACK_ATTEMPTS = 3;
const ACK_PAUSE_MS = 250;
/** Items that are handed over side by side. */
const AT_ONCE = 8;
/** The queue's statistics count pollers (`workers_polling`) by this id; a poll without one counts as none. */
const WORKER_ID = `managed-agents-router-${randomUUID()}`;

/** Items handed over side by side: a session whose workflow takes no message for a moment keeps no other waiting. */
class HandOvers {
  /** Ids of all items so far. */
  readonly taken = new Set<string>();
  readonly #take: (item: BetaSelfHostedWork) => Promise<void>;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(take: (item: BetaSelfHostedWork) => Promise<void>) {
    this.#take = take;
  }

  /** Begins to hand an item over; resolves once another one may begin. @throws the error of an earlier hand-over that failed */
  async begin(item: BetaSelfHostedWork): Promise<void> {
    this.taken.add(item.id);
    const handOver = this.#take(item)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(handOver));
    this.#underWay.add(handOver);
    if (this.#underWay.size >= AT_ONCE) await Promise.race(this.#underWay);
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits for all. @throws the first error */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failure) throw this.#failure.error;
  }
}

export class WorkClaims {
  readonly #deps: Deps;
  readonly #client: Anthropic;
  readonly #environmentId: string;
  #draining: Promise<number> | null = null;
  /** A claim was requested while the queue was polled: its last, empty answer may be older than the request. */
  #askedAgain = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#client = deps.anthropic.environment;
    this.#environmentId = deps.config.anthropic.environmentId;
  }

  /**
   * Polls until the queue is empty, and hands over what it finds; calls that come meanwhile join in.
   * @param blockMs how long an empty poll waits for an item, at most 999
   * @param refused resolves with true if nothing may be handed over, and never rejects. The first poll does not wait for it;
   *   the queue offers an item again that was polled and not acknowledged
   * @returns how many items were handed over
   */
  drain(blockMs?: number, refused: Promise<boolean> = Promise.resolve(false)): Promise<number> {
    if (this.#draining) {
      this.#askedAgain = true;
      return this.#draining;
    }
    const handOvers = new HandOvers((item) => this.take(item));
    const polled = this.#poll(handOvers, refused, blockMs).finally(() => {
      this.#draining = null;
    });
    this.#draining = polled.finally(() => handOvers.ended()).then(() => handOvers.taken.size);
    return this.#draining;
  }

  /** Force-stops an item; 404 and 409 mean that it no longer exists or is stopped already. */
  async stop(workId: string): Promise<void> {
    try {
      await this.#client.beta.environments.work.stop(workId, {
        environment_id: this.#environmentId,
        force: true,
      });
    } catch (error) {
      if (!(error instanceof APIError) || (error.status !== 404 && error.status !== 409)) throw error;
    }
  }

  /** Hands an item to its session's workflow, then acknowledges it. */
  async take(item: BetaSelfHostedWork): Promise<void> {
    if (item.data.type !== 'session') return this.#takeHealthcheck(item);
    const span = {
      name: 'managed_agents_router.claim_work',
      of: { sessionId: item.data.id },
      // An item may be offered, and claimed, more than once.
      key: `claim ${randomUUID()}`,
      kind: SpanKind.CONSUMER,
      attributes: {
        'anthropic.environment.id': item.environment_id,
        'anthropic.environment.work.id': item.id,
      },
    };
    return inSpan(span, () => this.#handOver(item));
  }

  async #handOver(item: BetaSelfHostedWork): Promise<void> {
    failpoint('poll-answered', item.data.id);
    const { environmentKey } = this.#deps.config.anthropic;
    const sealedFor = { sessionId: item.data.id, workId: item.id };
    const sealedSecret = item.secret && sealSecret(item.secret, environmentKey, sealedFor);
    await this.#deps.sessions.workClaimed(item.data.id, {
      workId: item.id,
      sealedSecret: sealedSecret ?? null,
    });
    failpoint('work-signalled', item.data.id);
    await this.#acknowledge(item.id);
    failpoint('work-acked', item.data.id);
    this.#deps.log.info({ workId: item.id, sessionId: item.data.id }, 'work item handed to its session');
  }

  async #poll(handOvers: HandOvers, refused: Promise<boolean>, blockMs?: number): Promise<void> {
    let block = blockMs;
    do {
      this.#askedAgain = false;
      for (;;) {
        const item = await this.#client.beta.environments.work.poll(this.#environmentId, {
          'Anthropic-Worker-ID': WORKER_ID,
          ...(block === undefined ? {} : { block_ms: block }),
        });
        // An item that is offered again at once could not be acknowledged: it waits for the next poll.
        if (!item || handOvers.taken.has(item.id)) break;
        if (await refused) return;
        await handOvers.begin(item);
        // Only the watch's first poll waits for an item: claims that join must not wait for an empty queue.
        block = undefined;
      }
    } while (this.#askedAgain);
  }

  /** The service checks whether a worker runs; an item that is only acknowledged would stay open for ever. */
  async #takeHealthcheck(item: BetaSelfHostedWork): Promise<void> {
    await this.#acknowledge(item.id);
    const first = { environment_id: this.#environmentId, expected_last_heartbeat: 'NO_HEARTBEAT' };
    await this.#client.beta.environments.work.heartbeat(item.id, first);
    await this.stop(item.id);
    this.#deps.log.info({ workId: item.id, type: item.data.type }, 'health check answered');
  }

  /** An item that could not be acknowledged is offered again, and its workflow knows it by its id. */
  async #acknowledge(workId: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#client.beta.environments.work.ack(workId, { environment_id: this.#environmentId });
        return;
      } catch (error) {
        if (classify(error).kind !== 'retry' || (error instanceof APIError && error.status === 409)) return;
        if (attempt === ACK_ATTEMPTS) {
          this.#deps.log.warn({ workId }, 'work item not acknowledged; it will be offered again');
          return;
        }
      }
      // Less than a second in all. Other activities may have joined: the cancellation of one does not end it.
      await sleep(ACK_PAUSE_MS * attempt);
    }
  }
}
