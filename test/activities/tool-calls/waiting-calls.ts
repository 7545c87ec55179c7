// A worker's tool activities with both simulators, and sessions that wait for calls.
import { ActivityCancellationDetails } from '@temporalio/common';
import { expect } from 'vitest';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../../activities/sandbox/prepare-sandbox.ts';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createToolCallActivities } from '../../../activities/tool-calls/run-tool-call.ts';
import { until } from '../../../harness/until.ts';
import { agentMessages, script, turnEnded } from '../../../simulators/test/managed-agents.ts';
import type { Prepared, Ran, RunArgs } from '../../../workflows/contract.ts';
import { activityContext, testDeps } from '../deps.ts';
import { anthropic, e2b } from '../simulators.ts';

/** A worker's tool activities; another one knows nothing of its connections. */
export function worker(stuckCalls: 'run' | 'answer' | 'interrupt' = 'run') {
  const deps = testDeps({ anthropic, e2b });
  deps.config.stuckCalls = stuckCalls;
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const tools = createToolCallActivities(deps, sandboxes, new SessionViews());
  const { prepareSandbox } = createSandboxActivities(deps, sandboxes);
  return {
    run: (args: RunArgs, attempt = 1, heartbeatDetails: unknown = undefined): Promise<Ran> =>
      activityContext({ attempt, heartbeatDetails }).run(tools.runToolCall, args),
    /** What a failing attempt leaves to the next one. */
    failing: async (args: RunArgs, attempt = 1): Promise<unknown> => {
      const context = activityContext({ attempt });
      let last: unknown;
      context.on('heartbeat', (details) => {
        last = details;
      });
      await expect(context.run(tools.runToolCall, args)).rejects.toMatchObject({ nonRetryable: false });
      return last;
    },
    /** All that an attempt says in its heartbeats whose worker stops once `begun`. */
    stopped: async (args: RunArgs, begun: () => Promise<boolean>): Promise<unknown[]> => {
      const context = activityContext();
      const said: unknown[] = [];
      context.on('heartbeat', (details) => said.push(details));
      const running = context.run(tools.runToolCall, args);
      running.catch(() => undefined);
      await until('the call has begun', begun, 10_000);
      context.cancel('WORKER_SHUTDOWN' as never, new ActivityCancellationDetails({ workerShutdown: true }));
      await expect(running).rejects.toMatchObject({ message: 'worker is shutting down' });
      return said;
    },
    /** Attempt after attempt, each with what the one before left, until no other is to follow. */
    untilFinal: async (args: RunArgs): Promise<{ error: Error; attempts: number }> => {
      let heartbeatDetails: unknown;
      for (let attempt = 1; ; attempt += 1) {
        const context = activityContext({ attempt, heartbeatDetails });
        context.on('heartbeat', (details) => {
          heartbeatDetails = details;
        });
        const error = await context.run(tools.runToolCall, args).then(
          (ran) => new Error(`it ended: ${JSON.stringify(ran)}`),
          (thrown: Error & { nonRetryable?: boolean }) => thrown,
        );
        if (!('nonRetryable' in error) || error.nonRetryable) return { error, attempts: attempt };
      }
    },
    cancel: (args: { sandboxId: string; callId: string }, attempt = 1): Promise<void> =>
      activityContext({ attempt }).run(tools.cancelToolCall, args),
    prepare: (sessionId: string): Promise<Prepared> =>
      activityContext().run(prepareSandbox, {
        sessionId,
        environmentId: anthropic.environmentId,
        sandboxId: null,
        nonce: 'nonce-1',
      }),
  };
}

/** A session that waits for these calls, and its sandbox. */
export async function waiting(...calls: { name: string; input: object }[]) {
  const sessionId = await anthropic.startSession(script(calls));
  const uses = await anthropic.calls(sessionId, calls.length);
  const { sandboxId } = await worker().prepare(sessionId);
  const args = (index = 0): RunArgs => ({
    sessionId,
    sandboxId,
    call: { id: uses[index]?.id ?? '', name: uses[index]?.name ?? '' },
    sealedSecret: null,
  });
  const answer = async () => agentMessages(await anthropic.eventsUntil(sessionId, turnEnded)).at(-1);
  const sandbox = () => e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
  const read = async (path: string) => (await sandbox()).files.read(path);
  return { sessionId, sandboxId, args, answer, read, sandbox };
}
export const COUNTED = 'echo run >> runs; cat runs';
