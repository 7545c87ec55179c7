// Sessions in every phase of a turn when the router is paused, and what became of them. The phases are held by gates: a
// command waits for a file, a request to a service waits for its time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type RouterInside, startRouterInside } from '../../harness/router-inside.ts';
import type { Cut } from '../../harness/tcp-proxy.ts';
import { eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import {
  atRest,
  counted,
  countsOf,
  type EndState,
  endState,
  sandboxesOf,
  workItems,
} from '../crash/crash-world.ts';

export interface PauseOptions {
  router: RouterInside;
  cut: Cut;
  pauseMs: number;
  /** How far the wall clocks move on in the pause, beyond its real time. */
  shiftMs?: number;
}

const SETTLED_WITHIN_MS = 400_000;
const ARRANGED_WITHIN_MS = 120_000;
/** Long enough that the other phases are reached meanwhile, shorter than the pause. */
const CREATION_MS = 18_000;
const POSTING_MS = 12_000;

/** A command that leaves a line in its counter file and waits until its gate is opened. */
const gated = (name: string) => counted(name, `until [ -e /mnt/session/go-${name} ]; do sleep 0.2; done`);
const run = (...commands: string[]) => script(...commands.map((command) => [bash(command)]));

/** A router in a folder that goes with it. */
export async function startPausableRouter(
  options: Omit<Parameters<typeof startRouterInside>[0], 'folder'>,
): Promise<RouterInside> {
  const folder = mkdtempSync(join(tmpdir(), 'pauses-'));
  const router = await startRouterInside({ ...options, folder });
  return {
    ...router,
    close: async () => {
      await router.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Pauses the router while sessions are in every phase, and asserts that each call ran once and each result arrived once. */
export async function pauseInEveryPhase({ router, cut, pauseMs, shiftMs = 0 }: PauseOptions): Promise<void> {
  const open = () => openSession(router);
  const say = (id: string, text: string) => sendMessage(router.anthropic, id, text);
  const session = {
    asleep: await open(),
    accepted: await open(),
    creating: await open(),
    endsMeanwhile: await open(),
    endsLater: await open(),
    posted: await open(),
    notPosted: await open(),
    approvedMeanwhile: await open(),
    approvedLater: await open(),
    grace: await open(),
  };

  await takeTurn(router.anthropic, session.asleep, run(counted('a')));
  const first = await endState(router, session.asleep);
  expect(first).toEqual(atRest(1));

  const inCall = [session.endsMeanwhile, session.endsLater, session.posted, session.notPosted];
  for (const id of inCall) await say(id, run(gated('a'), counted('b')));
  const waiting = [session.approvedMeanwhile, session.approvedLater];
  for (const id of waiting) await say(id, script([bash(counted('a'), { permission: 'ask' })]));
  const graceful = takeTurn(router.anthropic, session.grace, run(counted('a')));
  for (const id of inCall) await until('the call runs', () => hasRun(router, id), ARRANGED_WITHIN_MS);
  for (const id of waiting) await until('it waits', () => waitsForApproval(router, id), ARRANGED_WITHIN_MS);
  await graceful;

  const creation = await fault(router, 'e2b', {
    route: 'sandbox.create',
    kind: 'latency',
    latencyMs: CREATION_MS,
    times: 1,
  });
  await say(session.creating, run(counted('a')));
  await until('a sandbox is being created', creation.wasHit, ARRANGED_WITHIN_MS);
  await takeTurn(router.anthropic, session.grace, run(counted('b')));
  const postings = await Promise.all(
    (['posted', 'notPosted'] as const).map((phase) =>
      fault(router, 'anthropic', {
        route: 'events.send',
        match: session[phase],
        kind: phase === 'posted' ? 'latency' : 'drop',
        latencyMs: POSTING_MS,
        times: 1,
      }),
    ),
  );
  for (const id of [session.posted, session.notPosted]) await openGate(router, id, 'a');
  for (const { wasHit } of postings) await until('a result is being posted', wasHit, ARRANGED_WITHIN_MS);
  router.holdWorker();
  await say(session.accepted, run(counted('a')));
  await until('its delivery is accepted', async () =>
    router.deliveries.some(({ sessionId, status }) => sessionId === session.accepted && status === 204),
  );

  router.pause(cut);
  const pausedAt = Date.now();
  for (const id of inCall) expect(await resultsOf(router, id)).toBe(0);
  expect(await hasSandbox(router, session.creating)).toBe(false);
  await openGate(router, session.endsMeanwhile, 'a');
  await approve(router, session.approvedMeanwhile);
  // Its delivery does not reach the router.
  await say(session.grace, run(counted('c')));
  await sleep(Math.max(0, pauseMs - (Date.now() - pausedAt)));
  if (shiftMs > 0) await router.shiftClock(shiftMs);
  await until(
    'the result has arrived in the pause',
    async () => (await resultsOf(router, session.posted)) > 0,
  );
  expect(router.isPaused()).toBe(true);

  router.wakeOnDelivery();
  await say(session.asleep, run(counted('b')));
  await until('a delivery has woken the router', async () => !router.isPaused());
  await openGate(router, session.endsLater, 'a');
  await approve(router, session.approvedLater);

  const expected: Record<keyof typeof session, string[]> = {
    asleep: ['a', 'b'],
    accepted: ['a'],
    creating: ['a'],
    endsMeanwhile: ['a', 'b'],
    endsLater: ['a', 'b'],
    posted: ['a', 'b'],
    notPosted: ['a', 'b'],
    approvedMeanwhile: ['a'],
    approvedLater: ['a'],
    grace: ['a', 'b', 'c'],
  };
  const found = await Promise.all(
    Object.entries(session).map(async ([phase, id]): Promise<[string, Found]> => {
      const calls = expected[phase as keyof typeof session].length;
      return [phase, await settled(router, id, calls)];
    }),
  );
  expect(Object.fromEntries(found)).toEqual(
    Object.fromEntries(Object.entries(expected).map(([phase, names]) => [phase, onceEach(names)])),
  );
}

export type Found = EndState & { counts: Record<string, number> };

/** Waits until the session is at rest after this many calls. @returns what became of it, at rest or not */
export async function settled(router: RouterInside, sessionId: string, calls: number): Promise<Found> {
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  let state = await endState(router, sessionId, SETTLED_WITHIN_MS);
  // It may rest before its next message has arrived, and while a turn without a work item is about to be found.
  const isOver = () =>
    state.stopReason === 'end_turn' && state.results.length >= calls && state.results.every((n) => n > 0);
  while (!isOver() && Date.now() < deadline) {
    await sleep(500);
    state = await endState(router, sessionId, deadline - Date.now());
  }
  return { ...state, counts: await countsOf(router, sessionId) };
}

export const onceEach = (names: string[]): Found => ({
  ...atRest(names.length),
  counts: Object.fromEntries(names.map((name) => [name, 1])),
});

async function fault(router: RouterInside, of: 'anthropic' | 'e2b', rule: Record<string, unknown>) {
  const { id } = (await router.admin(of, 'POST', 'faults', rule)) as { id: string };
  return {
    wasHit: async () => {
      const { data } = (await router.admin(of, 'GET', 'faults')) as { data: { id: string; hits: number }[] };
      return data.some((one) => one.id === id && one.hits > 0);
    },
  };
}

async function resultsOf(router: RouterInside, sessionId: string): Promise<number> {
  const events = await eventsOf(router.anthropic, sessionId);
  return events.filter(({ type }) => type === 'user.tool_result').length;
}

/** The service waits, and the router has taken the session's work. */
async function waitsForApproval(router: RouterInside, sessionId: string): Promise<boolean> {
  const last = (await eventsOf(router.anthropic, sessionId)).findLast(({ type }) =>
    type.startsWith('session.status_'),
  );
  if (last?.type !== 'session.status_idle' || last.stop_reason.type !== 'requires_action') return false;
  return (await workItems(router, sessionId)).some(({ state }) => state !== 'queued');
}

async function hasSandbox(router: RouterInside, sessionId: string): Promise<boolean> {
  return (await sandboxesOf(router, sessionId)).length > 0;
}

async function sandboxOf(router: RouterInside, sessionId: string) {
  const [info] = await sandboxesOf(router, sessionId);
  // Its end is not moved.
  return info && router.Sandbox.connect(info.sandboxId, { timeoutMs: 5_000 });
}

/** Whether the call of this name has begun. */
export async function hasRun(router: RouterInside, sessionId: string, name = 'a'): Promise<boolean> {
  const sandbox = await sandboxOf(router, sessionId);
  return (await sandbox?.files.exists(`/mnt/session/count-${name}`)) ?? false;
}

export async function openGate(router: RouterInside, sessionId: string, name: string): Promise<void> {
  await (await sandboxOf(router, sessionId))?.files.write(`/mnt/session/go-${name}`, '');
}

async function approve(router: RouterInside, sessionId: string): Promise<void> {
  const events = await eventsOf(router.anthropic, sessionId);
  const call = events.findLast(({ type }) => type === 'agent.tool_use');
  const confirmation = {
    type: 'user.tool_confirmation' as const,
    tool_use_id: call?.id ?? '',
    result: 'allow' as const,
  };
  await router.anthropic.beta.sessions.events.send(sessionId, { events: [confirmation] });
}

export { counted, gated, run };
