// The sandboxes that this process is connected to: a connection is made once and used until the sandbox may
// have timed out, so that a call in a hot session costs no round trip to the control plane.
import { Context } from '@temporalio/activity';
import type { Sandbox } from 'e2b';
import type { E2BClient } from '../../src/clients/e2b.ts';
import { classify } from '../errors.ts';
import { sleep } from '../sleep.ts';

/** A 404 may come from a control plane that lags behind; the second one is believed. */
const ASK_AGAIN_MS = 1_000;
/** Before its time-out a sandbox is connected anew: clocks differ, and a call takes time to begin. */
const MARGIN_MS = 15_000;

/** The control plane does not know the sandbox any more: its files are lost. */
export class SandboxLost extends Error {
  override name = 'SandboxLost';

  constructor(sandboxId: string) {
    super(`sandbox ${sandboxId} no longer exists`);
  }
}

interface Connection {
  sandbox: Sandbox;
  /** Epoch ms until which E2B keeps it running. */
  aliveUntil: number;
}

export class OpenSandboxes {
  readonly #e2b: E2BClient;
  readonly #timeoutMs: number;
  readonly #connections = new Map<string, Connection>();

  /** @param timeoutMs how long a sandbox outlives the last contact */
  constructor(e2b: E2BClient, timeoutMs: number) {
    this.#e2b = e2b;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * A running sandbox that keeps running for `neededMs`; a paused one is resumed.
   * @throws SandboxLost, or an error of the E2B SDK
   */
  async open(sandboxId: string, neededMs = 0): Promise<Sandbox> {
    const known = this.#connections.get(sandboxId);
    if (known && known.aliveUntil - Date.now() > neededMs + MARGIN_MS) return known.sandbox;
    this.forget(sandboxId);
    const timeoutMs = Math.max(this.#timeoutMs, neededMs + 2 * MARGIN_MS);
    const askedAt = Date.now();
    const connect = () => this.#e2b.Sandbox.connect(sandboxId, { timeoutMs });
    const sandbox = await confirmNotFound(sandboxId, connect);
    this.#connections.set(sandboxId, { sandbox, aliveUntil: askedAt + timeoutMs });
    return sandbox;
  }

  /** Takes over a sandbox that was just created with the usual timeout. */
  adopt(sandbox: Sandbox): void {
    this.#connections.set(sandbox.sandboxId, { sandbox, aliveUntil: Date.now() + this.#timeoutMs });
  }

  forget(sandboxId: string): void {
    this.#connections.delete(sandboxId);
  }
}

/** @throws SandboxLost if the control plane says twice that the sandbox does not exist */
export async function confirmNotFound<Answer>(
  sandboxId: string,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (let first = true; ; first = false) {
    try {
      return await ask();
    } catch (error) {
      if (classify(error).kind !== 'not found') throw error;
      if (!first) throw new SandboxLost(sandboxId);
      await sleep(ASK_AGAIN_MS, Context.current().cancellationSignal);
    }
  }
}
