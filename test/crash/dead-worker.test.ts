// A worker dies while it has a call, while the model thinks, and in the grace after a turn: another one goes on. How soon it
// does is printed; that it does is asserted. The bounds are in workflows/heartbeat-timeouts.ts.
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pidOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { SESSION_WATCH } from '../../workflows/messages.ts';
import { atRest, type CrashWorld, counted, countsOf, endState, startCrashWorld } from './crash-world.ts';

/** PENDING_ACTIVITY_STATE_STARTED */
const STARTED = 2;

let world: CrashWorld;
beforeAll(async () => {
  world = await startCrashWorld({ graceSeconds: 60 });
});
afterAll(() => world?.close());

async function runningActivity(sessionId: string, name: string) {
  // There is no workflow before the first webhook.
  const described = await workflowOf(world, sessionId)
    .describe()
    .catch((error: unknown) => {
      if (error instanceof WorkflowNotFoundError) return null;
      throw error;
    });
  const activity = described?.raw.pendingActivities?.find(
    ({ activityType, state }) => activityType?.name === name && state === STARTED,
  );
  return (
    activity && {
      pid: pidOf(activity.lastWorkerIdentity),
      id: activity.activityId,
      attempt: activity.attempt,
    }
  );
}

/** Kills the worker that runs the activity, and waits until another one has begun it anew, or a newer one of its kind. */
async function killWorkerOf(sessionId: string, name: string): Promise<void> {
  const { pid, id } = await until(`${name} runs`, () => runningActivity(sessionId, name));
  process.kill(pid, 'SIGKILL');
  const killedAt = Date.now();
  await until(
    `another worker runs ${name}`,
    async () => {
      const now = await runningActivity(sessionId, name);
      return now && now.pid !== pid && (now.id !== id || (now.attempt ?? 1) > 1);
    },
    120_000,
  );
  process.stdout.write(
    `${name}: begun anew ${((Date.now() - killedAt) / 1000).toFixed(1)} s after its worker's death\n`,
  );
}

describe('another worker goes on', { timeout: 300_000 }, () => {
  it('with an open call, and sees the next call at once, though the watch died with the same worker', async () => {
    const sessionId = await openSession(world);
    const turn = takeTurn(world.anthropic, sessionId, commands(counted('a', 'sleep 15'), counted('b')));
    await killWorkerOf(sessionId, 'runToolCall');
    expect((await turn).stopReason).toBe('end_turn');
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('while the model thinks', async () => {
    const sessionId = await openSession(world);
    const steps = [{ wait_ms: 10_000 }, [{ name: 'bash', input: { command: counted('a') } }]];
    const turn = takeTurn(world.anthropic, sessionId, `Run:\n\`\`\`tools\n${JSON.stringify(steps)}\n\`\`\``);
    await killWorkerOf(sessionId, SESSION_WATCH);
    expect((await turn).stopReason).toBe('end_turn');
    expect(await countsOf(world, sessionId)).toEqual({ a: 1 });
  });

  it('in the grace after a turn', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await killWorkerOf(sessionId, SESSION_WATCH);
    await sendMessage(world.anthropic, sessionId, commands(counted('b')));
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });
});
