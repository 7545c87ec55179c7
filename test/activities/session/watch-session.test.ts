// What the watch of a session reports: calls, approvals, interrupts, turns.
import { ActivityCancellationDetails } from '@temporalio/common';
import { expect, it } from 'vitest';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createWatchSession } from '../../../activities/session/watch-session.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { bash, script } from '../../../simulators/test/managed-agents.ts';
import { MOST_CALLS_IN_MESSAGE } from '../../../workflows/messages.ts';
import { activityContext, testDeps } from '../deps.ts';
import { cloud, eventually, watch } from './watched-session.ts';

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

it('holds back what waits for an approval, and releases it', async () => {
  const { sessionId, opened, changes } = await watch(script([bash('rm x', { permission: 'ask' })]));
  await eventually(() => changes().includes('waiting'));
  expect(opened()).toMatchObject([{ awaitingApproval: true }]);
  const id = opened()[0]?.id ?? '';
  await cloud.send(sessionId, { type: 'user.tool_confirmation', tool_use_id: id, result: 'allow' });
  await eventually(() => opened().length === 2);
  expect(opened()[1]).toEqual({ id, name: 'bash', preview: 'rm x' });
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
