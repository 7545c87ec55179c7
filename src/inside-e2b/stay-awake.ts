// Keeps the router's own sandbox awake while a session is live: E2B pauses a sandbox when its time-out is over, whatever runs in
// it, and only requests from outside wake it.
import { setTimeout as sleep } from 'node:timers/promises';
import { E2B } from 'e2b';
import { namesOf, SESSION_WORKFLOW } from '../../workflows/messages.ts';
import { lazyTemporal, type Temporal } from '../clients/temporal.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';

export interface StayAwakeOptions {
  config: Config;
  sandboxId(): string | undefined;
  log: Logger;
}

/** Phases in which nothing happens until a webhook comes, which wakes the sandbox. */
const QUIET = ['paused', 'ended', 'paused by a person'];
const EVERY_MS = 30_000;
/** From each look on; E2B only extends what is left. */
const AWAKE_MS = 5 * 60_000;
const COUNT_WITHIN_MS = 10_000;

/** Looks every 30 seconds until it is stopped. */
export function stayAwake({ config, sandboxId, log }: StayAwakeOptions): { stop(): Promise<void> } {
  const over = new AbortController();
  const temporal = lazyTemporal(config.temporal);
  const extend = extender(config);
  const run = async () => {
    while (!over.signal.aborted) {
      const id = sandboxId();
      try {
        if (id && (await hasLiveSessions(temporal, config.deployment))) await extend(id);
      } catch (error) {
        log.warn({ sandboxId: id, reason: (error as Error).message }, 'the sandbox cannot be kept awake');
      }
      await sleep(EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    await temporal.connection.close();
  };
  const running = run();
  return {
    stop: () => {
      over.abort();
      return running;
    },
  };
}

/** Sessions that cannot be counted may be live. */
async function hasLiveSessions({ connection, client }: Temporal, deployment: string): Promise<boolean> {
  const running = `WorkflowType = '${SESSION_WORKFLOW}' AND TaskQueue = '${namesOf(deployment).taskQueue}' AND ExecutionStatus = 'Running'`;
  const quiet = QUIET.map((phase) => `SessionPhase != '${phase}'`).join(' AND ');
  // A session that has just started has no phase yet.
  const query = `${running} AND (SessionPhase IS NULL OR (${quiet}))`;
  try {
    const deadline = Date.now() + COUNT_WITHIN_MS;
    return (await connection.withDeadline(deadline, () => client.workflow.count(query))).count > 0;
  } catch {
    return true;
  }
}

function extender({ environments }: Config): (sandboxId: string) => Promise<void> {
  const { apiKey = '', domain, apiUrl, sandboxUrl } = environments[0]?.e2b ?? {};
  const { Sandbox } = new E2B({
    apiKey,
    ...(domain ? { domain } : {}),
    ...(apiUrl ? { apiUrl } : {}),
    ...(sandboxUrl ? { sandboxUrl } : {}),
  });
  return async (sandboxId) => {
    await Sandbox.connect(sandboxId, { timeoutMs: AWAKE_MS });
  };
}
