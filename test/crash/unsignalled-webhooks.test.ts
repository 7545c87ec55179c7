// A webhook about a session that is watched is signalled to no workflow. The watch may die, or return, in that very moment:
// then a fresh listing, a check or an inspection has to find what the webhook was about. No other message follows, and
// the reconcile comes too late for these tests.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pidOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { SESSION_WATCH } from '../../workflows/messages.ts';
import { atRest, type CrashWorld, counted, countsOf, endState, startCrashWorld } from './crash-world.ts';

/** A watch returns, and a session goes to rest, this long after nothing happens any more. */
const GRACE_SECONDS = 3;
/** Around that moment, in milliseconds before and after it. */
const OFFSETS = [-1500, -200, -100, -50, 0, 50, 100, 200, 400];

let world: CrashWorld;
beforeAll(async () => {
  world = await startCrashWorld({ graceSeconds: GRACE_SECONDS });
});
afterAll(() => world?.close());

const RUN_STARTED = 'session.status_run_started';

/** What became of the deliveries about a session, oldest first. */
function outcomesOf(sessionId: string, type: string): string[] {
  return readFileSync(world.webhook.logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(sessionId) && line.includes(`"${type}"`))
    .map((line) => (JSON.parse(line) as { outcome: string }).outcome);
}

/** Process id of the worker whose watch follows the session. */
async function watcherOf(sessionId: string): Promise<number | null> {
  const { raw } = await workflowOf(world, sessionId).describe();
  const watch = raw.pendingActivities?.find(({ activityType }) => activityType?.name === SESSION_WATCH);
  return watch ? pidOf(watch.lastWorkerIdentity) : null;
}

const untilMoment = (moment: number) => sleep(Math.max(0, moment - Date.now()));

describe.concurrent('a watch that makes a webhook needless', { timeout: 300_000 }, () => {
  it('dies before it has seen the turn: the next attempt lists the events', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    const pid = await watcherOf(sessionId);
    expect(pid).not.toBeNull();
    process.kill(pid as number, 'SIGKILL');
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    expect(outcomesOf(sessionId, RUN_STARTED)).toContain('watched');
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it.each(OFFSETS)('ends for a rest around the turn that begins (%d ms)', async (offset) => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await untilMoment(Date.now() + GRACE_SECONDS * 1000 + offset);
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    if (offset < -1000) expect(outcomesOf(sessionId, RUN_STARTED).at(-1)).toBe('watched');
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it.each(OFFSETS)('returns around the approval that lets the turn go on (%d ms)', async (offset) => {
    const sessionId = await openSession(world);
    const call = { name: 'bash', input: { command: counted('a') }, permission: 'ask' };
    await sendMessage(world.anthropic, sessionId, `Run:\n\`\`\`tools\n${JSON.stringify([[call]])}\n\`\`\``);
    const asked = await until('the call waits for approval', async () => {
      const events = await eventsOf(world.anthropic, sessionId);
      const { type } = events.at(-1) ?? {};
      return type === 'session.status_idle' && events.find((event) => event.type === 'agent.tool_use');
    });
    await untilMoment(Date.now() + GRACE_SECONDS * 1000 + offset);
    const confirmation = { type: 'user.tool_confirmation' as const, tool_use_id: asked.id };
    await world.anthropic.beta.sessions.events.send(sessionId, {
      events: [{ ...confirmation, result: 'allow' }],
    });
    expect(await endState(world, sessionId)).toEqual(atRest(1));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1 });
  });
});
