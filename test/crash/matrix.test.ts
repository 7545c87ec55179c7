// The crash matrix: the real process is killed by SIGKILL at every boundary between an effect outside and its record here,
// another one continues, and the end state is read from outside. The cases share all processes, so each also survives the
// deaths that the other cases cause.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { Failpoint } from '../../src/failpoints.ts';
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
  world = await startCrashWorld();
});
afterAll(() => world?.close());

/** The boundary in words, the failpoint, and the milliseconds between the failpoint and the kill, if any. */
const FIRST_TURN: [string, Failpoint, number][] = [
  ['webhook signalled, not answered', 'webhook-signalled', 0],
  ['poll answered, not signalled', 'poll-answered', 0],
  ['signalled, not acknowledged', 'work-signalled', 0],
  ['acknowledged, no heartbeat', 'work-acked', 0],
  ['lease opened, not recorded', 'lease-opened', 0],
  ['calls reported, watch not recorded', 'events-signalled', 0],
  ['sandbox created, not recorded', 'sandbox-created', 0],
  ['call about to be handed to the toolhost', 'call-handed', 0],
  ['call handed to the toolhost, not acknowledged', 'call-handed', 30],
  ['call running', 'call-handed', 1000],
  ['call finished, not posted', 'call-finished', 0],
  ['result posted, not recorded', 'result-posted', 0],
  ['work stopped, session not inspected', 'work-stopped', 0],
  ['session inspected, sandbox not paused', 'session-inspected', 0],
  ['paused, not recorded', 'sandbox-paused', 0],
];

describe.concurrent('a process dies', { timeout: 300_000 }, () => {
  it.each(FIRST_TURN)('%s', async (_what, point, delayMs) => {
    const sessionId = await openSession(world);
    world.arm(point, sessionId, delayMs);
    await takeTurn(world.anthropic, sessionId, commands(counted('a', 'sleep 2'), counted('b')));
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await world.died(point, sessionId)).toBe(true);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('sandbox resumed, not recorded', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await endState(world, sessionId);
    const before = await sandboxesOf(world, sessionId);
    world.arm('sandbox-resumed', sessionId);
    await takeTurn(world.anthropic, sessionId, commands(counted('b')));
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await world.died('sandbox-resumed', sessionId)).toBe(true);
    expect((await sandboxesOf(world, sessionId)).map(({ sandboxId }) => sandboxId)).toEqual(
      before.map(({ sandboxId }) => sandboxId),
    );
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
  });

  it('killed, not recorded', async () => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await endState(world, sessionId);
    world.arm('sandbox-killed', sessionId);
    await world.anthropic.beta.sessions.archive(sessionId);
    const workflow = world.temporal.client.workflow.getHandle(`session-${sessionId}`);
    const closed = async () => (await workflow.describe()).status.name === 'COMPLETED';
    await until('the workflow has ended', closed, 60_000);
    expect(await world.died('sandbox-killed', sessionId)).toBe(true);
    expect(await sandboxesOf(world, sessionId)).toEqual([]);
  });

  it('output copied, not recorded', async () => {
    const sessionId = await openSession(world);
    const names = ['a', 'b/c', 'd'];
    const make = names.map((name) => `mkdir -p outputs/b; echo of ${name} > outputs/${name}`);
    await takeTurn(world.anthropic, sessionId, commands(...make));
    await endState(world, sessionId);
    world.arm('output-copied', sessionId);
    await world.anthropic.beta.sessions.archive(sessionId);
    const workflow = world.temporal.client.workflow.getHandle(`session-${sessionId}`);
    const closed = async () => (await workflow.describe()).status.name === 'COMPLETED';
    await until('the workflow has ended', closed, 60_000);
    expect(await world.died('output-copied', sessionId)).toBe(true);
    const folder = join(world.outputs, world.simulators.anthropic.environmentId, sessionId);
    const copies = names.map((name) => readFileSync(join(folder, name), 'utf8'));
    expect(copies).toEqual(names.map((name) => `of ${name}\n`));
    expect(await sandboxesOf(world, sessionId)).toEqual([]);
  });
});

it('leaves histories that replay, and no workflow task that failed', { timeout: 60_000 }, async () => {
  expect(await replayHistories(world)).toBeGreaterThan(FIRST_TURN.length);
});
