// A tool call, handed to the toolhost in its sandbox and waited for.
import type { BudgetShare } from '../../src/clients/byte-budget.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Toolhost, ToolhostCall } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import { errorResult, SANDBOX_ROLLED_BACK } from '../../workflows/model-notices.ts';
import type { Deps } from '../deps.ts';
import type { OpenSandboxes } from '../sandbox/open-sandboxes.ts';
import { ensureToolhost } from '../sandbox/toolhost-setup.ts';
import { sleep } from '../sleep.ts';
import type { Patience } from './patience.ts';

export interface HandedCall {
  id: string;
  name: string;
  input: unknown;
  timeoutMs: number;
  session: string;
  /** Absent for the session's first thread. Each has a shell of its own. */
  thread?: string;
}

/** What one attempt to run a call works with. */
export interface Attempt {
  deps: Deps;
  sandboxes: OpenSandboxes;
  sandboxId: string;
  patience: Patience;
  /** `maybe`: the call may have come to the toolhost. */
  delivery: { maybe: boolean };
  /** What a large result takes of the budget, until it is posted. */
  share: BudgetShare;
  signal: AbortSignal;
}

/** One wait for the end of a call: shorter than any proxy on the way allows. */
const WAIT_MS = 25_000;
const TOOLHOST_RETRY_MS = 300;
/** How often a toolhost that does not answer is restarted before the activity's own retries take over. */
const TOOLHOST_ATTEMPTS = 3;
/** A toolhost waits before it answers that a call still runs. A program that answers at once gets longer and longer pauses. */
const FIRST_PAUSE_MS = 500;

/** @throws PatienceOver, SandboxLost, or an error worth another attempt */
export function handOver(attempt: Attempt, call: HandedCall): Promise<ToolhostCall> {
  const { delivery, share, patience, signal } = attempt;
  const { id, ...asked } = call;
  return withToolhost(attempt, call.timeoutMs, async (toolhost) => {
    failpoint('call-handed', call.session);
    try {
      const started = await patience.during(() => toolhost.start(id, asked, WAIT_MS, signal, share));
      delivery.maybe = true;
      return await untilEnded(toolhost, started, attempt);
    } catch (error) {
      // Also where the request was given up, as at the end of a worker: the call may run.
      if (!neverArrived(error)) delivery.maybe = true;
      throw error;
    }
  });
}

/** Works with the toolhost, which is restarted if it does not answer. */
export async function withToolhost<Result>(
  { deps, sandboxes, sandboxId, patience, signal }: Attempt,
  neededMs: number,
  work: (toolhost: Toolhost) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    const sandbox = await sandboxes.open(sandboxId, neededMs);
    try {
      if (attempt > 1) await patience.during(() => ensureToolhost(deps, sandbox, signal));
      return await work(deps.e2b.toolhost(sandbox));
    } catch (error) {
      if (!(error instanceof SandboxHttpError)) throw error;
      // The next connection asks the control plane, which knows whether the sandbox is paused or lost.
      sandboxes.forget(sandboxId);
      patience.failed(error);
      if (attempt >= TOOLHOST_ATTEMPTS) throw error;
      await sleep(TOOLHOST_RETRY_MS * attempt, signal);
    }
  }
}

async function untilEnded(
  toolhost: Toolhost,
  started: ToolhostCall,
  { patience, share, signal }: Attempt,
): Promise<ToolhostCall> {
  let call = started;
  try {
    for (let pauseMs = FIRST_PAUSE_MS; call.state === 'running'; ) {
      patience.check();
      const askedAt = performance.now();
      call = await patience.during(() => toolhost.read(started.id, WAIT_MS, signal, share));
      if (call.state !== 'running' || performance.now() - askedAt > WAIT_MS / 2) continue;
      await patience.during(() => sleep(pauseMs, signal));
      pauseMs = Math.min(pauseMs * 2, WAIT_MS);
    }
    return call;
  } catch (error) {
    if (!(error instanceof SandboxHttpError) || error.status !== 404) throw error;
    return { ...started, state: 'cut_off', result: errorResult(SANDBOX_ROLLED_BACK) };
  }
}

/** Whether the proxy in front of the sandboxes says that no process in the sandbox got the request. */
function neverArrived(error: unknown): boolean {
  return (
    error instanceof SandboxHttpError && error.status === 502 && /not found|not open/i.test(error.message)
  );
}
