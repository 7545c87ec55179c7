// The three parts of a rest in one activity: their order, what a later attempt repeats, and what no retry can help.
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { beforeEach, expect, it } from 'vitest';
import { finalFailure } from '../../../activities/errors.ts';
import { createRestSession } from '../../../activities/session/rest-session.ts';
import type { RestArgs, Rested, SessionInspection } from '../../../workflows/contract.ts';
import { activityContext } from '../deps.ts';

const IDLE: SessionInspection = { ours: true, live: false, ended: null, orphanedCalls: [] };
const ids = { sessionId: 'sesn_1', environmentId: 'env_1' };
const whole: RestArgs = { ...ids, workId: 'work_1', heldSince: 7, sandboxId: 'isandbox1' };

/** The parts that were asked for, with what they got. */
let asked: [string, object][];
/** Runs in place of a part's success. */
let instead: { stop?: () => unknown; inspect?: () => unknown; pause?: () => unknown };
let inspection: SessionInspection;
beforeEach(() => {
  asked = [];
  instead = {};
  inspection = IDLE;
});

const { restSession } = createRestSession({
  stopWork: async (args) => {
    asked.push(['stop', args]);
    await instead.stop?.();
  },
  inspectSession: async (args) => {
    asked.push(['inspect', args]);
    await instead.inspect?.();
    return inspection;
  },
  pauseSandbox: async (args) => {
    asked.push(['pause', args]);
    await instead.pause?.();
    return 'paused';
  },
});
const parts = () => asked.map(([part]) => part);
const refuse = () => Promise.reject(finalFailure('refused'));
const failOnce = () => Promise.reject(new Error('503'));

/** One attempt; `heartbeats` gets what it says of its progress. */
function attempt(args: RestArgs, heartbeatDetails?: unknown, heartbeats: unknown[] = []) {
  const context = activityContext({ heartbeatDetails });
  context.on('heartbeat', (details) => heartbeats.push(structuredClone(details)));
  const rested: Promise<Rested> = context.run(restSession, args);
  return {
    rested,
    cancel: (why: ConstructorParameters<typeof ActivityCancellationDetails>[0]) =>
      context.cancel('CANCELLED', new ActivityCancellationDetails(why)),
  };
}

it('stops the item, then inspects the session, then pauses the sandbox, without a heartbeat', async () => {
  const heartbeats: unknown[] = [];
  const { rested } = attempt(whole, undefined, heartbeats);
  expect(await rested).toEqual({ work: 'stopped', inspection: IDLE, sandbox: 'paused' });
  expect(asked).toEqual([
    ['stop', { ...ids, workId: 'work_1', heldSince: 7 }],
    ['inspect', { ...ids, orphanedCalls: true }],
    ['pause', { environmentId: 'env_1', sandboxId: 'isandbox1' }],
  ]);
  expect(heartbeats).toEqual([]);
});

it('inspects a session that holds neither an item nor a sandbox', async () => {
  expect(await attempt(ids).rested).toEqual({ inspection: IDLE });
  expect(parts()).toEqual(['inspect']);
});

it('leaves the sandbox running for a turn that is under way', async () => {
  inspection = { ...IDLE, live: true };
  expect(await attempt(whole).rested).toEqual({ work: 'stopped', inspection, sandbox: 'left running' });
  expect(parts()).toEqual(['stop', 'inspect']);
});

it.each([
  ['stop', { work: { failed: 'refused' }, inspection: IDLE, sandbox: 'paused' }],
  ['inspect', { work: 'stopped', inspection: { failed: 'refused' }, sandbox: 'paused' }],
  ['pause', { work: 'stopped', inspection: IDLE, sandbox: { failed: 'refused' } }],
])('does the other parts where no retry can help: %s', async (part, outcome) => {
  instead = { [part]: refuse };
  expect(await attempt(whole).rested).toEqual(outcome);
  expect(parts()).toEqual(['stop', 'inspect', 'pause']);
});

it.each([
  ['stop', [], ['stop', 'inspect', 'pause']],
  ['inspect', [{ work: 'stopped' }], ['inspect', 'pause']],
  ['pause', [{ work: 'stopped', inspection: IDLE }], ['pause']],
])('a later attempt goes on where a service failed: %s', async (part, heartbeats, left) => {
  instead = { [part]: failOnce };
  const said: unknown[] = [];
  await expect(attempt(whole, undefined, said).rested).rejects.toMatchObject({ nonRetryable: false });
  expect(said).toEqual(heartbeats);
  [asked, instead] = [[], {}];
  const again = await attempt(whole, said.at(-1)).rested;
  expect(again).toEqual({ work: 'stopped', inspection: IDLE, sandbox: 'paused' });
  expect(parts()).toEqual(left);
});

it('a later attempt keeps what no retry could help', async () => {
  instead = { stop: refuse, pause: failOnce };
  const said: unknown[] = [];
  await expect(attempt(whole, undefined, said).rested).rejects.toMatchObject({ nonRetryable: false });
  [asked, instead] = [[], {}];
  expect(await attempt(whole, said.at(-1)).rested).toMatchObject({ work: { failed: 'refused' } });
  expect(parts()).toEqual(['pause']);
});

it.each([
  ['stop', ['stop']],
  ['inspect', ['stop', 'inspect']],
])('begins no further part once it is cancelled: %s', async (part, begun) => {
  const cancel = async () => running.cancel({ cancelRequested: true });
  instead = { [part]: () => Promise.resolve().then(cancel) };
  const running = attempt(whole);
  await expect(running.rested).rejects.toBeInstanceOf(CancelledFailure);
  expect(parts()).toEqual(begun);
});

it('is handed over by a worker that shuts down, with what is done', async () => {
  instead = { inspect: () => Promise.resolve().then(() => running.cancel({ workerShutdown: true })) };
  const said: unknown[] = [];
  const running = attempt(whole, undefined, said);
  await expect(running.rested).rejects.toMatchObject({ message: 'worker is shutting down' });
  expect(said.at(-1)).toEqual({ work: 'stopped', inspection: IDLE });
});
