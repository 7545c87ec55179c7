import { CancelledFailure } from '@temporalio/activity';
import { ActivityCancellationDetails } from '@temporalio/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { QuietListings } from '../../../activities/session/quiet-listings.ts';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createWatchSession } from '../../../activities/session/watch-session.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { openSecret } from '../../../activities/work-queue/item-secret.ts';
import {
  bash,
  type Fixture,
  script,
  startFixture,
  statusOf,
} from '../../../simulators/test/managed-agents.ts';
import type { WatchArgs, WatchEnd } from '../../../workflows/contract.ts';
import {
  MOST_CALLS_IN_MESSAGE,
  type SessionChange,
  type ToolCallsClosed,
  type ToolCallsRequested,
} from '../../../workflows/messages.ts';
import { activityContext, testDeps } from '../deps.ts';

let cloud: Fixture;
let ending: (() => Promise<unknown>)[];
beforeEach(async () => {
  cloud = await startFixture();
  ending = [];
});
afterEach(async () => {
  for (const end of ending) await end();
  await cloud.close();
});

/** Watches a session in which a user said this. */
async function watch(
  text: string,
  beforeWatch: () => Promise<unknown> = async () => undefined,
  more: Partial<WatchArgs> = {},
  listings = new QuietListings(),
) {
  const deps = testDeps({ anthropic: cloud });
  const sessionId = await cloud.startSession(text);
  await new WorkClaims(deps).drain();
  const item = deps.recorded.claimed.find((one) => one.sessionId === sessionId);
  if (!item) throw new Error('no work item');
  await beforeWatch();
  const views = new SessionViews();
  const env = activityContext();
  const args: WatchArgs = {
    sessionId,
    environmentId: cloud.environmentId,
    workId: item.workId,
    sealedSecret: item.sealedSecret,
    lease: null,
    known: [],
    turn: 'running',
    since: 1,
    graceMs: 60_000,
    ...more,
  };
  const watching: Promise<WatchEnd> = env.run(createWatchSession(deps, views, listings).watchSession, args);
  watching.catch(() => undefined);
  const stop = async () => {
    const details = new ActivityCancellationDetails({ cancelRequested: true });
    env.cancel('CANCEL_REQUESTED' as never, details);
    return watching;
  };
  ending.push(() => stop().catch(() => undefined));
  const messages = <Message>(name: string) =>
    deps.recorded.signals.filter((signal) => signal.name === name).map(({ message }) => message as Message);
  const opened = () => messages<ToolCallsRequested>('toolCallsRequested').flatMap(({ calls }) => calls);
  const changes = () => messages<SessionChange>('sessionChanged').map(({ change }) => change);
  const closed = () => messages<ToolCallsClosed>('toolCallsClosed');
  return { sessionId, item, deps, views, env, watching, stop, opened, changes, closed };
}

/** Listings after so long a silence: twenty at once, then one a minute. */
const quiet = (quietMs: number) => new QuietListings(1, quietMs);

async function eventually(what: () => boolean, withinMs = 5000): Promise<void> {
  for (const end = Date.now() + withinMs; !what(); ) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it('reports a call once, and the end of the turn', async () => {
  const { sessionId, opened, changes } = await watch(script([bash('ls')]));
  await eventually(() => opened().length === 1);
  await cloud.send(sessionId, cloud.result(opened()[0]?.id ?? '', 'a file'));
  await eventually(() => changes().includes('idle'));
  expect(opened()).toEqual([{ id: expect.any(String), name: 'bash', preview: 'ls' }]);
});

it('keeps inputs where the tool activity finds them', async () => {
  const { sessionId, opened, views } = await watch(script([bash('ls -l')]));
  await eventually(() => opened().length === 1);
  expect(views.get(sessionId)?.inputOf(opened()[0]?.id ?? '')).toMatchObject({ input: { command: 'ls -l' } });
});

it('reports nothing that the workflow knows already', async () => {
  const first = await watch(script([bash('ls')]));
  await eventually(() => first.opened().length === 1);
  const known = first.opened().map(({ id }) => ({ id, awaitingApproval: false }));
  await first.stop();
  const deps = testDeps({ anthropic: cloud });
  const env = activityContext();
  const args = {
    sessionId: first.sessionId,
    environmentId: cloud.environmentId,
    workId: first.item.workId,
    sealedSecret: first.item.sealedSecret,
    lease: null,
    known,
    turn: 'running' as const,
    since: 2,
    graceMs: 60_000,
  };
  const second = env.run(createWatchSession(deps, new SessionViews()).watchSession, args);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(deps.recorded.signals).toEqual([]);
  env.cancel('CANCEL_REQUESTED' as never, new ActivityCancellationDetails({ cancelRequested: true }));
  expect(await second).toMatchObject({ why: 'recalled' });
});

it.each(['cut-stream', 'drop', 'status'])('reconnects and misses nothing: %s', async (kind) => {
  await cloud.set({ 'stream-ping-seconds': '1' });
  await cloud.admin('POST', '/faults', { route: 'events.stream', kind, status: 500, times: 2 });
  const { sessionId, opened, changes } = await watch(script([bash('one')], [bash('two')], [bash('three')]));
  for (let count = 1; count <= 3; count += 1) {
    await eventually(() => opened().length === count, 8000);
    await cloud.send(sessionId, cloud.result(opened()[count - 1]?.id ?? '', 'ok'));
  }
  await eventually(() => changes().includes('idle'), 8000);
  expect(opened().map(({ preview }) => preview)).toEqual(['one', 'two', 'three']);
});

it('leaves a stream whose keep-alives are missing, and finds what it did not show', async () => {
  await cloud.set({ 'stream-ping-seconds': '1' });
  const stall = { route: 'stream.event', kind: 'stall', match: 'agent.tool_use', times: 1 };
  await cloud.admin('POST', '/faults', stall);
  const { opened } = await watch(script({ wait_ms: 2_500 }, [bash('ls')]));
  await eventually(() => opened().length === 1, 12_000);
}, 20_000);

it.each(['events.stream', 'stream.event'])(
  'finds by listing what a stream without keep-alives hides: %s',
  async (route) => {
    await cloud.set({ 'stream-ping-seconds': '0' });
    await cloud.admin('POST', '/faults', { route, kind: 'stall', times: 1 });
    const { opened } = await watch(script({ wait_ms: 500 }, [bash('ls')]), undefined, {}, quiet(600));
    await eventually(() => opened().length === 1, 8_000);
  },
);

it('lists quiet sessions no more often than the pace of the process allows', async () => {
  await cloud.set({ 'stream-ping-seconds': '0', 'rate-limits': 'off' });
  const listings = quiet(60);
  let listed = 0;
  const taken = listings.take.bind(listings);
  listings.take = (now) => {
    const may = taken(now);
    if (may) listed += 1;
    return may;
  };
  // Twenty at once, then one a minute: some hundred quiet spells of two sessions want more.
  const first = await watch(script([bash('ls')]), undefined, {}, listings);
  await watch(script([bash('ls')]), undefined, {}, listings);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(listed).toBe(20);
  expect(first.opened()).toHaveLength(1);
});

it('holds back what waits for an approval, and releases it', async () => {
  const { sessionId, opened, changes } = await watch(script([bash('rm x', { permission: 'ask' })]));
  await eventually(() => changes().includes('waiting'));
  expect(opened()).toMatchObject([{ awaitingApproval: true }]);
  const id = opened()[0]?.id ?? '';
  await cloud.send(sessionId, { type: 'user.tool_confirmation', tool_use_id: id, result: 'allow' });
  await eventually(() => opened().length === 2);
  expect(opened()[1]).toEqual({ id, name: 'bash', preview: 'rm x' });
});

/** A newer watch over the same session, in this process or in another one. */
function newer(first: Awaited<ReturnType<typeof watch>>, views: SessionViews, more: Partial<WatchArgs> = {}) {
  const deps = testDeps({ anthropic: cloud });
  const env = activityContext();
  const args: WatchArgs = {
    sessionId: first.sessionId,
    environmentId: cloud.environmentId,
    workId: first.item.workId,
    sealedSecret: first.item.sealedSecret,
    lease: null,
    known: [],
    turn: 'running',
    since: 2,
    graceMs: 60_000,
    ...more,
  };
  const watching: Promise<WatchEnd> = env.run(createWatchSession(deps, views).watchSession, args);
  watching.catch(() => undefined);
  const details = new ActivityCancellationDetails({ cancelRequested: true });
  ending.push(async () => env.cancel('CANCEL_REQUESTED' as never, details));
  const opened = () => deps.recorded.signals.filter(({ name }) => name === 'toolCallsRequested');
  return { deps, watching, opened };
}

it('ends at once when a newer watch begins in its process, which goes on with its lease', async () => {
  const first = await watch(script([bash('ls')]));
  await eventually(() => first.opened().length === 1);
  const second = newer(first, first.views);
  expect(await first.watching).toMatchObject({ why: 'superseded' });
  await eventually(() => second.opened().length === 1);
  const third = newer(first, first.views, { since: 3 });
  expect(await second.watching).toMatchObject({ why: 'superseded', lease: { ttlSeconds: 300 } });
  // An older one that comes late ends by itself.
  expect(await newer(first, first.views).watching).toEqual({ why: 'superseded', lease: null });
  await eventually(() => third.opened().length === 1);
  expect(first.views.get(first.sessionId)).toBeDefined();
});

it('opens the lease of another work item anew, whatever the watch before it held', async () => {
  const first = await watch('hello');
  await eventually(() => first.changes().includes('idle'));
  const { organization, environmentId } = cloud;
  await organization.beta.environments.work.stop(first.item.workId, {
    environment_id: environmentId,
    force: true,
  });
  const content = [{ type: 'text' as const, text: script([bash('ls')]) }];
  await organization.beta.sessions.events.send(first.sessionId, {
    events: [{ type: 'user.message', content }],
  });
  const claims = new WorkClaims(first.deps);
  const claimed = async () => {
    await claims.drain();
    return first.deps.recorded.claimed.find((item) => item.workId !== first.item.workId);
  };
  await expect.poll(claimed).toBeDefined();
  const next = (await claimed()) as (typeof first.deps.recorded.claimed)[number];
  const { workId, sealedSecret } = next;
  const second = newer(first, first.views, { workId, sealedSecret });
  await eventually(() => second.opened().length === 1);
  const stateOf = async () =>
    (await organization.beta.environments.work.retrieve(workId, { environment_id: environmentId })).state;
  await expect.poll(stateOf).toBe('active');
});

it('ends when a watch in another process has taken its lease over, and never takes it back', async () => {
  await cloud.set({ 'lease-ttl-seconds': '3' });
  const first = await watch(script([bash('ls')]));
  await eventually(() => first.opened().length === 1);
  const second = newer(first, new SessionViews());
  await eventually(() => second.opened().length === 1);
  const ends: string[] = [];
  void second.watching.then(({ why }) => ends.push(why));
  expect(await first.watching).toMatchObject({ why: 'superseded' });
  await new Promise((resolve) => setTimeout(resolve, 4000));
  expect(ends).toEqual([]);
});

it('ends by itself while others have to act, with its lease and the newest event', async () => {
  const text = script([bash('rm x', { permission: 'ask' })]);
  const { sessionId, watching, changes, deps } = await watch(text, undefined, { graceMs: 1000 });
  const end = await watching;
  expect(changes()).toContain('waiting');
  const newestFirst = { limit: 1, order: 'desc' as const };
  const { data } = await deps.anthropic.environment.beta.sessions.events.list(sessionId, newestFirst);
  expect(end).toMatchObject({ why: 'quiet', seen: data[0]?.id, lease: { ttlSeconds: 300 } });
});

it.each(['at work', 'in its grace'])('does not end by itself while a session is %s', async (how) => {
  const text = how === 'at work' ? script([bash('ls')]) : 'hello';
  const { watching, opened, changes, views, sessionId } = await watch(text, undefined, { graceMs: 200 });
  await eventually(() => opened().length === 1 || changes().includes('idle'));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(views.get(sessionId)).toBeDefined();
  expect(await Promise.race([watching, 'watches on'])).toBe('watches on');
});

it('says with each signal which watch has sent it', async () => {
  const first = await watch(script([bash('ls')]));
  await eventually(() => first.opened().length === 1);
  const signed = first.deps.recorded.signals.map(({ message }) => (message as { watch: unknown }).watch);
  expect(signed).toEqual(signed.map(() => ({ since: 1, attempt: 1 })));
});

it('never opens a call that was denied', async () => {
  const { sessionId, opened, closed } = await watch(script([bash('rm x', { permission: 'ask' })]));
  await eventually(() => opened().length === 1);
  const id = opened()[0]?.id ?? '';
  await cloud.send(sessionId, {
    type: 'user.tool_confirmation',
    tool_use_id: id,
    result: 'deny',
    deny_message: 'no',
  });
  await eventually(() => closed().length > 0);
  expect(closed()).toMatchObject([{ callIds: [id], why: 'denied' }]);
  expect(opened()).toMatchObject([{ awaitingApproval: true }]);
});

it('reports the calls of a step that are not answered yet, and those of a later one', async () => {
  const { sessionId, opened, changes } = await watch(script([bash('one'), bash('two')], [bash('three')]));
  await eventually(() => opened().length === 2);
  await cloud.send(sessionId, cloud.result(opened()[0]?.id ?? '', 'ok'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(opened()).toHaveLength(2);
  await cloud.send(sessionId, cloud.result(opened()[1]?.id ?? '', 'ok'));
  await eventually(() => opened().length === 3);
  expect(changes()).not.toContain('idle');
});

it('attaches to a session with 5,000 events page by page', async () => {
  const asked = Array.from({ length: 2_500 }, () => ({ name: 'web_search', input: { query: 'x' } }));
  const { sessionId, opened, deps } = await watch(script(asked, [bash('ls')]));
  await eventually(() => opened().length === 1, 20_000);
  const pages: number[] = [];
  const listed = deps.anthropic.environment.beta.sessions.events.list(sessionId, { limit: 1000 });
  for await (const page of (await listed).iterPages()) pages.push(page.data.length);
  expect(pages.slice(0, 5)).toEqual([1000, 1000, 1000, 1000, 1000]);
  expect(opened()).toEqual([{ id: expect.any(String), name: 'bash', preview: 'ls' }]);
});

it('tells of an interrupt', async () => {
  const { sessionId, opened, closed } = await watch(script([bash('sleep 100'), bash('sleep 200')]));
  await eventually(() => opened().length === 2);
  await cloud.send(sessionId, { type: 'user.interrupt' });
  await eventually(() => closed().length > 0);
  expect(closed().flatMap(({ callIds }) => callIds)).toEqual(opened().map(({ id }) => id));
});

it('leaves custom tools and those of MCP servers to others', async () => {
  const calls = [{ name: 'lookup', input: {}, mcp_server: 'docs' }];
  const { opened, changes } = await watch(script(calls, [bash('ls')]));
  await eventually(() => opened().length === 1 || changes().length > 0);
  expect(opened().map(({ name }) => name)).not.toContain('lookup');
});

it('ends with the session', async () => {
  const { sessionId, watching, changes } = await watch('hello');
  await eventually(() => changes().includes('idle'));
  await cloud.organization.beta.sessions.delete(sessionId);
  expect(await watching).toMatchObject({ why: 'session ended' });
});

it('lets the item go when the service asks for it', async () => {
  await cloud.set({ 'lease-ttl-seconds': '2' });
  const { item, watching } = await watch(script([bash('sleep 100')]));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await cloud.organization.beta.environments.work.stop(item.workId, { environment_id: cloud.environmentId });
  expect(await watching).toMatchObject({ why: 'stopping' });
});

it('goes on with the environment key when the token of the item is refused', async () => {
  await cloud.set({ 'sessions-token-seconds': '1' });
  const expire = () => cloud.admin('POST', '/clock', { advanceMs: 5_000 });
  const { opened, deps, item, sessionId } = await watch(script([bash('ls')]), expire);
  const token = openSecret(item.sealedSecret ?? '', cloud.environmentKey, sessionId) ?? '';
  const { sessions_token } = JSON.parse(Buffer.from(token, 'base64url').toString());
  const refused = deps.anthropic.withToken(sessions_token).beta.sessions.retrieve('sesn_any');
  expect(await statusOf(refused)).toBe(401);
  await eventually(() => opened().length === 1);
});

it('hands its lease on when its worker goes away', async () => {
  const { env, watching, opened } = await watch(script([bash('ls')]));
  const beats: unknown[] = [];
  env.on('heartbeat', (details) => beats.push(details));
  await eventually(() => opened().length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1700));
  env.cancel('WORKER_SHUTDOWN' as never, new ActivityCancellationDetails({ workerShutdown: true }));
  await expect(watching).rejects.toMatchObject({ type: 'retry', nonRetryable: false });
  await expect(watching).rejects.not.toBeInstanceOf(CancelledFailure);
  expect(beats.at(-1)).toMatchObject({ lease: { lastHeartbeat: expect.any(String), ttlSeconds: 300 } });
});

it('is tried again as a whole when the workflow cannot be told, for it counts as told', async () => {
  const deps = testDeps({ anthropic: cloud });
  const sessionId = await cloud.startSession(script([bash('ls')]));
  await new WorkClaims(deps).drain();
  const [item] = deps.recorded.claimed;
  const signal = () => Promise.reject(new Error('14 UNAVAILABLE'));
  deps.temporal.workflow.getHandle = () => ({ signal }) as never;
  const watchSession = createWatchSession(deps, new SessionViews()).watchSession;
  const watching = activityContext().run(watchSession, {
    sessionId,
    environmentId: cloud.environmentId,
    workId: item?.workId ?? '',
    sealedSecret: item?.sealedSecret ?? null,
    lease: null,
    known: [],
    turn: 'running' as const,
    since: 2,
    graceMs: 60_000,
  });
  await expect(watching).rejects.toMatchObject({
    type: 'retry',
    nonRetryable: false,
    message: 'the workflow could not be signalled: 14 UNAVAILABLE',
  });
});

it("answers the calls of a workflow run's thread after an interrupt: it does not close them", async () => {
  const run = { workflow_run: true, threads: [{ name: 'a', steps: [bash('sleep 100')] }] };
  const { sessionId, opened, closed, changes } = await watch(script(run));
  await eventually(() => opened().length === 1);
  await cloud.send(sessionId, { type: 'user.interrupt' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(closed()).toEqual([]);
  expect(opened()).toHaveLength(1);
  await cloud.send(sessionId, cloud.result(opened()[0]?.id ?? '', 'ok'));
  await eventually(() => changes().includes('idle'));
});

it('tells of 1,200 calls at once in parts, and of their end', { timeout: 60_000 }, async () => {
  const commands = Array.from({ length: 1_200 }, (_, n) => bash(`echo ${n}`));
  const { sessionId, deps, opened, closed } = await watch(script(commands));
  await eventually(() => opened().length === 1_200, 20_000);
  const previews = commands.map((_, n) => `echo ${n}`);
  expect(opened().map(({ preview }) => preview)).toEqual(previews);
  await cloud.send(sessionId, { type: 'user.interrupt' });
  const closedIds = () => closed().flatMap(({ callIds }) => callIds);
  await eventually(() => closedIds().length === 1_200, 20_000);
  expect(new Set(closedIds())).toEqual(new Set(opened().map(({ id }) => id)));
  const sizes = deps.recorded.signals.map(({ message }) => {
    const { calls, callIds } = message as { calls?: unknown[]; callIds?: unknown[] };
    return (calls ?? callIds ?? []).length;
  });
  expect(Math.max(...sizes)).toBe(MOST_CALLS_IN_MESSAGE);
});
