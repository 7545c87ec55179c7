// The lease on a work item: opened, kept by heartbeats, and lost only when the service says so.
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import { failpoint } from '../../src/failpoints.ts';
import { lateRenewals } from '../../src/metrics/metrics.ts';
import type { Lease, LeaseEnd } from '../../workflows/contract.ts';
import { classify } from '../errors.ts';
import { sleep } from '../sleep.ts';

/** `superseded`: a newer watch holds the lease. */
export interface LeasedItem {
  environmentId: string;
  sessionId: string;
  workId: string;
}

/** The first expectation, before any heartbeat is stored. */
const NO_HEARTBEAT = 'NO_HEARTBEAT';
/** An item may reach its workflow just before it is acknowledged: until then its first heartbeat is retried. */
const OPEN_WITHIN_MS = 8_000;
const OPEN_RETRY_MS = 250;
const RETRY_MS = 1_000;
const LONGEST_INTERVAL_MS = 30_000;
/** A renewal is due after a third of the lease's time; after this part of it, little is left. */
const LATE = 2 / 3;
/** Assumed until the first answer says how long a lease holds. */
const ASSUMED_TTL_SECONDS = 60;

export class WorkLease {
  readonly #client: Anthropic;
  readonly #item: LeasedItem;
  #lease: Lease | null;
  /**
   * Whether a lease that names another heartbeat than ours may be taken: at first, from an earlier holder, and after a
   * heartbeat without an answer. In any other case a newer holder has it, and two holders would take it from each other
   * for ever.
   */
  #mayTakeOver = true;
  /** Whether the service has answered a heartbeat of this holder. */
  #isOpen = false;

  /** @param lease where an earlier holder left off; null for an item without a heartbeat */
  constructor(client: Anthropic, item: LeasedItem, lease: Lease | null) {
    this.#client = client;
    this.#item = item;
    this.#lease = lease;
  }

  get current(): Lease | null {
    return this.#lease;
  }

  /**
   * Keeps the lease until it ends or the signal is aborted.
   * @throws the signal's reason; or a final error, such as a revoked key
   */
  async hold(signal: AbortSignal): Promise<LeaseEnd> {
    const startedAt = Date.now();
    let heldUntil = startedAt + (this.#lease ? this.#lease.ttlSeconds * 1000 : OPEN_WITHIN_MS);
    let renewedAt = startedAt;
    for (;;) {
      try {
        const end = await this.beat(signal);
        if (end) return end;
        const ttlMs = (this.#lease?.ttlSeconds ?? ASSUMED_TTL_SECONDS) * 1000;
        if (Date.now() - renewedAt > ttlMs * LATE) lateRenewals.inc();
        renewedAt = Date.now();
        heldUntil = Date.now() + ttlMs;
        await sleep(Math.min(LONGEST_INTERVAL_MS, Math.max(500, ttlMs / 3)), signal);
      } catch (error) {
        signal.throwIfAborted();
        const { kind } = classify(error);
        if (kind === 'retry') this.#mayTakeOver = true;
        if (kind === 'refused') throw error;
        const opening = this.#lease === null;
        if (kind === 'not found' && !opening) return 'lost';
        if (kind === 'final' && !opening) throw error;
        // A heartbeat without an answer may be stored, and then the queue offers the item to no other worker for as long.
        if (kind === 'retry' && opening) heldUntil = startedAt + ASSUMED_TTL_SECONDS * 1000;
        if (Date.now() >= heldUntil) return 'lost';
        const unacknowledged = opening && kind !== 'retry';
        if (unacknowledged) await this.#acknowledge(signal);
        await sleep(unacknowledged ? OPEN_RETRY_MS : RETRY_MS, signal);
      }
    }
  }

  /**
   * One heartbeat; a heartbeat whose answer got lost is found again by what the refusal of the next one says.
   * @param ttlSeconds how long the lease is to hold; the service may give another time, its own by default
   */
  async beat(signal: AbortSignal, ttlSeconds?: number): Promise<LeaseEnd | null> {
    const { environmentId, workId } = this.#item;
    const expected = this.#lease?.lastHeartbeat ?? NO_HEARTBEAT;
    try {
      const beat = await this.#client.beta.environments.work.heartbeat(
        workId,
        {
          environment_id: environmentId,
          expected_last_heartbeat: expected,
          ...(ttlSeconds === undefined ? {} : { desired_ttl_seconds: ttlSeconds }),
        },
        { signal, timeout: 10_000 },
      );
      if (beat.state === 'stopping' || beat.state === 'stopped') return 'stopping';
      if (!this.#isOpen) failpoint('lease-opened', this.#item.sessionId);
      this.#isOpen = true;
      this.#lease = { lastHeartbeat: beat.last_heartbeat, ttlSeconds: beat.ttl_seconds };
      this.#mayTakeOver = false;
      return beat.lease_extended ? null : 'lost';
    } catch (error) {
      if (!(error instanceof APIError) || error.status !== 412) throw error;
      const stored = await this.#stored(error, signal);
      if (stored?.state === 'stopping' || stored?.state === 'stopped') return 'stopping';
      // Not acknowledged yet. An item whose lease lapsed is queued too, but that one is lost.
      if (stored?.state === 'queued' && !this.#lease) throw error;
      const live = stored && (stored.state === 'active' || stored.state === 'starting');
      if (!live || !stored.lastHeartbeat || stored.lastHeartbeat === expected) return 'lost';
      if (!this.#mayTakeOver) return 'superseded';
      this.#lease = {
        lastHeartbeat: stored.lastHeartbeat,
        ttlSeconds: this.#lease?.ttlSeconds ?? ASSUMED_TTL_SECONDS,
      };
      return this.beat(signal, ttlSeconds);
    }
  }

  /** The heartbeat that the service has: from the refusal itself, or from the list of work. */
  async #stored(
    refusal: APIError,
    signal: AbortSignal,
  ): Promise<{ state: string; lastHeartbeat: string | null } | null> {
    const body = refusal.error as { error?: { details?: { current_state?: CurrentState } } } | undefined;
    const current = body?.error?.details?.current_state;
    if (current) return { state: current.state ?? '', lastHeartbeat: current.last_heartbeat ?? null };
    for await (const item of this.#client.beta.environments.work.list(
      this.#item.environmentId,
      { limit: 100 },
      { signal },
    )) {
      if (item.id === this.#item.workId)
        return { state: item.state, lastHeartbeat: item.latest_heartbeat_at };
    }
    return null;
  }

  /** Only where the claim died between handing the item over and acknowledging it. */
  async #acknowledge(signal: AbortSignal): Promise<void> {
    const { environmentId, workId } = this.#item;
    await this.#client.beta.environments.work
      .ack(workId, { environment_id: environmentId }, { signal })
      .catch(() => undefined);
  }
}

interface CurrentState {
  state?: string;
  last_heartbeat?: string | null;
}
