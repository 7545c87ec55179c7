// Keeps the router's own sandbox awake while there is work: E2B pauses a sandbox when its time-out is over, whatever runs in
// it, and only requests from outside wake it. When all is quiet nothing is extended.
import { setTimeout as sleep } from 'node:timers/promises';
import { createE2B, type E2BClient } from '../clients/e2b.ts';
import { lazyTemporal } from '../clients/temporal.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { whyAwake } from './why-awake.ts';

export interface StayAwakeOptions {
  config: Config;
  sandboxId(): string | undefined;
  log: Logger;
  /** Milliseconds between two looks. */
  everyMs?: number;
}

/** A resumed sandbox has at least five minutes, so several looks may fail before it is paused. */
const EVERY_MS = 30_000;
/** From each look on; E2B only extends what is left. */
const AWAKE_MS = 5 * 60_000;
/** E2B has cut the time-out if this much is missing. */
const CUT_MS = 60_000;
/** The wall clock runs away from the monotonic one by as much as the sandbox slept. */
const SLEPT_MS = 5_000;
const CLOCKS_EVERY_MS = 1_000;

/** Looks now and then until it is stopped. What fails is tried again at the next look. */
export function stayAwake(options: StayAwakeOptions): { stop(): Promise<void> } {
  const { config, sandboxId, log, everyMs = EVERY_MS } = options;
  const over = new AbortController();
  const temporal = lazyTemporal(config.temporal);
  const extend = extender(config, log);
  const clocks = logSleeps(log);
  let last: string | undefined;
  const look = async () => {
    const reason = await whyAwake(temporal, config);
    const said = reason ?? 'all is quiet';
    if (said !== last)
      log.info({ reason: said }, reason ? 'the sandbox stays awake' : 'the sandbox may sleep');
    last = said;
    const id = sandboxId();
    if (reason && id) await extend(id);
  };
  const run = async () => {
    while (!over.signal.aborted) {
      await look().catch((error: Error) =>
        log.warn({ sandboxId: sandboxId(), reason: error.message }, 'the sandbox cannot be kept awake'),
      );
      await sleep(everyMs, undefined, { signal: over.signal }).catch(() => undefined);
    }
    await temporal.connection.close();
  };
  const running = run();
  return {
    stop: () => {
      over.abort();
      clearInterval(clocks);
      return running;
    },
  };
}

/** Extends the time-out, and says once for each run of the sandbox that E2B does not let it run longer. */
function extender(config: Config, log: Logger): (sandboxId: string) => Promise<void> {
  const [environment] = config.environments;
  const sandboxes = environment && createE2B(environment).Sandbox;
  let warned: number | undefined;
  return async (sandboxId) => {
    if (!sandboxes) return;
    await connect(sandboxes, sandboxId);
    const end = (await sandboxes.getInfo(sandboxId)).endAt.getTime();
    if (end - Date.now() > AWAKE_MS - CUT_MS || end === warned) return;
    warned = end;
    log.warn(
      { sandboxId, endsAt: new Date(end).toISOString() },
      'E2B pauses this sandbox although there is work: it may not run longer without a pause. A webhook or a request to ' +
        '/health wakes it, and the work goes on',
    );
  };
}

/** Close to the longest run E2B cuts the time-out; after it, it refuses one. */
async function connect(sandboxes: E2BClient['Sandbox'], sandboxId: string): Promise<void> {
  try {
    await sandboxes.connect(sandboxId, { timeoutMs: AWAKE_MS });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('Max instance length'))) throw error;
  }
}

/** A paused sandbox's monotonic clock stands still, and its wall clock is set when it wakes. */
function logSleeps(log: Logger): NodeJS.Timeout {
  const drift = () => Date.now() - performance.now();
  let before = drift();
  const timer = setInterval(() => {
    const now = drift();
    if (now - before > SLEPT_MS)
      log.info({ ms: Math.round(now - before) }, 'the sandbox has slept and is awake');
    before = now;
  }, CLOCKS_EVERY_MS);
  return timer.unref();
}
