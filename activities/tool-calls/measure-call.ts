// Counts and times tool calls for Prometheus.
import { Context } from '@temporalio/activity';
import {
  sandboxesLost,
  toolCallOverheadSeconds,
  toolCallSeconds,
  toolCalls,
  toolLabel,
} from '../../src/metrics/metrics.ts';
import type { Ran } from '../../workflows/contract.ts';

/** Wraps the wait for the sandbox, which is not the router's time. */
export type InSandbox = <Result>(wait: () => Promise<Result>) => Promise<Result>;

/** Measures one attempt, from the moment when it was scheduled. An attempt that fails is repeated, and not counted. */
export async function measureCall(name: string, run: (inSandbox: InSandbox) => Promise<Ran>): Promise<Ran> {
  const { currentAttemptScheduledTimestampMs: scheduledAt } = Context.current().info;
  let sandboxMs = 0;
  const ran = await run(async (wait) => {
    const from = Date.now();
    try {
      return await wait();
    } finally {
      sandboxMs += Date.now() - from;
    }
  });
  const tool = toolLabel(name);
  const ms = Math.max(0, Date.now() - scheduledAt);
  toolCalls.inc({ tool, outcome: ran.outcome });
  toolCallSeconds.observe({ tool }, ms / 1000);
  toolCallOverheadSeconds.observe(Math.max(0, ms - sandboxMs) / 1000);
  if (ran.outcome === 'sandbox lost') sandboxesLost.inc();
  return ran;
}
