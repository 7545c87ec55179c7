// Requests that take effect although their answer is lost or is an error. Each case is the whole life of a session. A
// fault may hit the session of another case, so every session must end as if there had been no fault.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
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

/** Longer than another worker needs to create a sandbox. */
const MADE_LATE_MS = 14_000;

const ROUTES = {
  anthropic: ['work.ack', 'work.heartbeat', 'work.stop', 'events.send'],
  e2b: ['sandbox.create', 'sandbox.connect', 'sandbox.pause', 'sandbox.kill'],
} as const;
const KINDS = [{ kind: 'commit-then-drop' }, { kind: 'commit-then-status', status: 500 }] as const;
const CASES = Object.entries(ROUTES).flatMap(([of, routes]) =>
  routes.flatMap((route) => KINDS.map((kind) => ({ of: of as keyof typeof ROUTES, route, ...kind }))),
);

interface Fault {
  id: string;
  taken: number;
}

async function taken(of: keyof typeof ROUTES, id: string): Promise<number | undefined> {
  const { data } = (await world.admin(of, 'GET', 'faults')) as { data: Fault[] };
  return data.find((fault) => fault.id === id)?.taken;
}

describe.concurrent('a request that takes effect although its answer is lost or an error', {
  timeout: 120_000,
}, () => {
  it.each(CASES)('$route: $kind', async ({ of, ...fault }) => {
    const sessionId = await openSession(world);
    // The test's own first message to this session uses the same route and must pass before the results.
    const ofSession = fault.route === 'events.send' ? { match: sessionId, after: 1 } : {};
    const { id } = (await world.admin(of, 'POST', 'faults', { ...fault, ...ofSession, times: 1 })) as Fault;
    await takeTurn(world.anthropic, sessionId, commands(counted('a'), counted('b')));
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    await takeTurn(world.anthropic, sessionId, commands(counted('c')));
    expect(await endState(world, sessionId)).toEqual(atRest(3));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1, c: 1 });

    await world.anthropic.beta.sessions.archive(sessionId);
    await until('no sandbox is left', async () => (await sandboxesOf(world, sessionId)).length === 0);
    await until('the fault was met', async () => (await taken(of, id)) === 1);
  });

  it('a sandbox is created long after the worker that requested it has died', async () => {
    const sessionId = await openSession(world);
    const late = { route: 'sandbox.create', kind: 'latency', latencyMs: MADE_LATE_MS, times: 1 };
    const { id } = (await world.admin('e2b', 'POST', 'faults', late)) as Fault;
    const turn = takeTurn(world.anthropic, sessionId, commands(counted('a', 'sleep 5')));
    await until('the request is under way', async () => (await taken('e2b', id)) === 1);
    await world.replaceWorkers({});
    await turn;
    expect(await endState(world, sessionId)).toEqual(atRest(1));
    expect(await countsOf(world, sessionId)).toEqual({ a: 1 });
  });
});

it('leaves histories that replay, and no workflow task that failed', { timeout: 60_000 }, async () => {
  expect(await replayHistories(world)).toBeGreaterThan(0);
});
