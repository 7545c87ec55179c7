// The lease of a work item in its session's watches: opened, handed on, taken over, let go; and how a watch ends.
import { CancelledFailure } from '@temporalio/activity';
import { ActivityCancellationDetails } from '@temporalio/common';
import { expect, it } from 'vitest';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { openSecret } from '../../../activities/work-queue/item-secret.ts';
import { bash, script, statusOf } from '../../../simulators/test/managed-agents.ts';
import { cloud, eventually, newer, watch } from './watched-session.ts';

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
