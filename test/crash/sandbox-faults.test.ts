// Faults of sandboxes, and how the model is notified of them: every session continues, and no call runs twice.
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workerOfCall } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import {
  atRest,
  type CrashWorld,
  counted,
  countsOf,
  endState,
  sandboxesOf,
  startCrashWorld,
} from './crash-world.ts';
import { replayHistories } from './replay.ts';

let world: CrashWorld;
beforeAll(async () => {
  world = await startCrashWorld({ workers: 1 });
});
afterAll(() => world?.close());

const theSandbox = async (sessionId: string) => {
  const [sandbox] = await until('the session has a sandbox', async () => {
    const found = await sandboxesOf(world, sessionId);
    return found.length > 0 && found;
  });
  return sandbox?.sandboxId ?? '';
};
/** Runs a command as root in the sandbox, independent of the session's calls. */
const root = async (sandboxId: string, command: string) => {
  const sandbox = await world.Sandbox.connect(sandboxId, { timeoutMs: 60_000 });
  return (await sandbox.commands.run(command, { user: 'root' })).stdout;
};
const vanish = (sandboxId: string) => world.admin('e2b', 'POST', `sandboxes/${sandboxId}/vanish`);
const rested = async (sessionId: string, calls: number) =>
  expect(await endState(world, sessionId)).toEqual(atRest(calls));

/** The results that the model got, in order. */
async function results(sessionId: string): Promise<{ text: string; isError: boolean }[]> {
  const events = await eventsOf(world.anthropic, sessionId);
  type Result = Extract<BetaManagedAgentsSessionEvent, { type: 'user.tool_result' }>;
  return events
    .filter((event): event is Result => event.type === 'user.tool_result')
    .map(({ content, is_error }) => ({
      text: (content ?? []).map((block) => ('text' in block ? block.text : '')).join('\n'),
      isError: is_error === true,
    }));
}

/** Runs a turn and calls `then` while its first call is running. */
async function inMidCall(lines: string[], then: (sessionId: string, sandboxId: string) => Promise<unknown>) {
  const sessionId = await openSession(world);
  const turn = takeTurn(world.anthropic, sessionId, commands(...lines));
  await until('the call runs', () => workerOfCall(world, sessionId));
  const sandboxId = await theSandbox(sessionId);
  const begun = async () => (await root(sandboxId, 'cat /mnt/session/count-a 2>/dev/null || true')) !== '';
  await until('the command has begun', begun);
  await then(sessionId, sandboxId);
  await turn;
  return { sessionId, sandboxId };
}

describe.concurrent('a sandbox', { timeout: 90_000 }, () => {
  it('whose toolhost is killed during a call', async () => {
    const { sessionId } = await inMidCall([counted('a', 'sleep 60'), counted('b')], (_id, sandboxId) =>
      root(sandboxId, "pkill -KILL -f '^[^ ]*node [^ ]*/toolhost[.]mjs$'"),
    );
    await rested(sessionId, 2);
    const [cut, next] = await results(sessionId);
    expect(cut).toMatchObject({ isError: true, text: expect.stringContaining('was not run again') });
    expect(next?.isError).toBe(false);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('that is lost before a call', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await rested(sessionId, 1);
    await vanish(await theSandbox(sessionId));
    await takeTurn(world.anthropic, sessionId, commands(counted('b'), counted('c')));
    await rested(sessionId, 3);
    const [, told, after] = await results(sessionId);
    expect(told).toMatchObject({ isError: false, text: expect.stringContaining('was lost') });
    expect(after?.text).not.toContain('was lost');
    expect(await countsOf(world, sessionId)).toEqual({ b: 1, c: 1 });
  });

  it('that is lost during a call', async () => {
    const { sessionId } = await inMidCall([counted('a', 'sleep 60'), counted('b')], (_id, sandboxId) =>
      vanish(sandboxId),
    );
    await rested(sessionId, 2);
    const [unknown, next] = await results(sessionId);
    expect(unknown).toMatchObject({ isError: true, text: expect.stringContaining('is unknown') });
    expect(next?.text).toContain('was lost');
    expect(await countsOf(world, sessionId)).toEqual({ b: 1 });
  });

  it('that is lost between two calls', async () => {
    const sessionId = await openSession(world);
    const first = commands(counted('a'));
    await takeTurn(world.anthropic, sessionId, first);
    // Within the grace time: the router expects the sandbox to be running.
    await vanish(await theSandbox(sessionId));
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    await rested(sessionId, 2);
    expect((await results(sessionId))[1]).toMatchObject({
      isError: false,
      text: expect.stringContaining('was lost'),
    });
    expect(await countsOf(world, sessionId)).toEqual({ b: 1 });
  });

  it('that E2B pauses during a call', async () => {
    const { sessionId } = await inMidCall([counted('a', 'sleep 4'), counted('b')], (_id, sandboxId) =>
      world.Sandbox.pause(sandboxId),
    );
    await rested(sessionId, 2);
    expect((await results(sessionId)).map(({ isError }) => isError)).toEqual([false, false]);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('whose pause fails', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    const match = await theSandbox(sessionId);
    const fault = { route: 'sandbox.pause', kind: 'status', status: 500, match, times: 2 };
    await world.admin('e2b', 'POST', 'faults', fault);
    await rested(sessionId, 1);
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    await rested(sessionId, 2);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('that is resumed with older files', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await rested(sessionId, 1);
    const sandboxId = await theSandbox(sessionId);
    await root(sandboxId, 'tar -cf /root/before.tar /mnt/session /var/lib/toolhost');
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    await rested(sessionId, 2);
    const back = 'rm -rf /mnt/session/* /var/lib/toolhost/*; tar -xf /root/before.tar -C /';
    await root(sandboxId, `${back}; pkill -KILL -f '^[^ ]*node [^ ]*/toolhost[.]mjs$'`);
    await world.Sandbox.pause(sandboxId);
    await takeTurn(world.anthropic, sessionId, commands(counted('c'), counted('d')));
    await rested(sessionId, 4);
    const [, , told, after] = await results(sessionId);
    expect(told).toMatchObject({ isError: false, text: expect.stringContaining('in an earlier state') });
    expect(after?.text).not.toContain('in an earlier state');
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, c: 1, d: 1 });
  });
});

it('leaves histories that replay, and no workflow task that failed', { timeout: 60_000 }, async () => {
  expect(await replayHistories(world)).toBeGreaterThan(0);
});
