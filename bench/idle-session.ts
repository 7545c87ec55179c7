// A session that has had a turn and waits, its sandbox paused, for the worker of bench/cached-sessions-worker.ts.
import { until } from '../harness/until.ts';
import type { Sessions } from '../src/clients/sessions.ts';
import type { Temporal } from '../src/clients/temporal.ts';
import {
  namesOf,
  sessionChangedSignal,
  statusQuery,
  toolCallsRequestedSignal,
} from '../workflows/messages.ts';

const IDLE_WITHIN_MS = 120_000;

/**
 * Claims work, makes calls one after another, and pauses the sandbox.
 * @throws Error if that takes more than two minutes
 */
export async function openIdleSession(
  { client }: Temporal,
  sessions: Sessions,
  number: number,
  calls: number,
): Promise<void> {
  const id = idleSessionId(number);
  await sessions.workClaimed(id, { workId: `work_${number}`, sealedSecret: null });
  const handle = client.workflow.getHandle(namesOf().sessionWorkflowId(id));
  const status = () => handle.query(statusQuery);
  for (let call = 1; call <= calls; call += 1) {
    const requested = { id: `sevt_${number}_${call}`, name: 'bash', preview: '{"command":"npm test"}' };
    await handle.signal(toolCallsRequestedSignal, { calls: [requested] });
  }
  await until(`${id} has made its calls`, async () => (await status()).callsDone === calls, IDLE_WITHIN_MS);
  const idle = { eventId: `sevt_${number}_idle`, change: 'idle', reason: 'end_turn' } as const;
  await handle.signal(sessionChangedSignal, idle);
  await until(`${id} is paused`, async () => (await status()).phase === 'paused', IDLE_WITHIN_MS);
}

export function idleSessionId(number: number): string {
  return `sesn_bench_${number}`;
}
