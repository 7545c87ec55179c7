import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCheckSession } from '../../../activities/session/check-session.ts';
import { SessionView } from '../../../activities/session/session-view.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { WorkLease } from '../../../activities/work-queue/lease.ts';
import { bash, type Fixture, script, startFixture } from '../../../simulators/test/managed-agents.ts';
import type { CheckArgs, Checked } from '../../../workflows/contract.ts';
import { activityContext, testDeps } from '../deps.ts';

let cloud: Fixture;
beforeEach(async () => {
  cloud = await startFixture();
});
afterEach(() => cloud.close());

/** A session that waits for an approval, and what its workflow knows. */
async function waitingSession() {
  const deps = testDeps({ anthropic: cloud });
  const sessionId = await cloud.startSession(script([bash('rm x', { permission: 'ask' })]));
  await new WorkClaims(deps).drain();
  const [item] = deps.recorded.claimed;
  if (!item) throw new Error('no work item');
  const ids = { sessionId, environmentId: cloud.environmentId, workId: item.workId };
  const client = deps.anthropic.environment;
  const lease = new WorkLease(client, ids, null);
  await lease.beat(new AbortController().signal);
  const events = async () => {
    const all = [];
    for await (const event of client.beta.sessions.events.list(sessionId)) all.push(event);
    return all;
  };
  let id = '';
  await expect
    .poll(async () => {
      const view = new SessionView([], 'running');
      for (const event of await events()) view.apply(event);
      const { opened, change } = view.report();
      id = opened[0]?.id ?? '';
      return change?.change;
    })
    .toBe('waiting');
  const args: CheckArgs = {
    ...ids,
    sealedSecret: item.sealedSecret,
    lease: null,
    seen: [(await events()).at(-1)?.id ?? ''],
  };
  const { checkSession } = createCheckSession(deps);
  const check = (more: Partial<CheckArgs> = {}): Promise<Checked> =>
    activityContext().run(checkSession, { ...args, ...more });
  const confirm = () =>
    cloud.send(sessionId, { type: 'user.tool_confirmation', tool_use_id: id, result: 'allow' });
  return { sessionId, ids, args, check, confirm, lease };
}

it('asks for a lease that holds for long, so that few checks are needed', async () => {
  await cloud.set({ 'lease-ttl-seconds': '60' });
  const { check, lease } = await waitingSession();
  expect(lease.current?.ttlSeconds).toBe(60);
  const { lease: kept } = await check({ lease: lease.current });
  expect(kept?.ttlSeconds).toBe(300);
});

it('keeps the lease of a session in which nothing happens', async () => {
  const { check } = await waitingSession();
  const first = await check();
  expect(first).toEqual({ moved: false, lease: expect.objectContaining({ ttlSeconds: 300 }) });
  const second = await check({ lease: first.lease });
  expect(second.moved).toBe(false);
  expect(second.lease?.lastHeartbeat).not.toBe(first.lease?.lastHeartbeat);
});

it('sees that something has happened, once', async () => {
  const { check, confirm, args } = await waitingSession();
  await confirm();
  const first = await check();
  expect(first).toMatchObject({ moved: true, seen: expect.any(String) });
  let seen = '';
  // The session goes on for a moment.
  const settled = async () => {
    const before = seen;
    seen = (await check()).seen ?? '';
    return seen === before;
  };
  await expect.poll(settled, { timeout: 5000, interval: 200 }).toBe(true);
  expect(await check({ seen: [...args.seen, seen] })).toMatchObject({ moved: false });
});

it('takes the lease from a watch that has not noticed its recall', async () => {
  const { check, lease } = await waitingSession();
  expect(await check()).toMatchObject({ lease: { lastHeartbeat: expect.any(String) } });
  expect(await lease.beat(new AbortController().signal)).toBe('superseded');
});

it('says that the item is to be let go, and that the session is gone', async () => {
  const { check, ids, sessionId } = await waitingSession();
  const { lease } = await check();
  await cloud.organization.beta.environments.work.stop(ids.workId, { environment_id: ids.environmentId });
  expect(await check({ lease })).toMatchObject({ why: 'stopping' });
  const other = await waitingSession();
  await cloud.organization.beta.sessions.delete(other.sessionId);
  const end = await other.check();
  expect(end.moved || end.why !== undefined).toBe(true);
  expect(sessionId).not.toBe(other.sessionId);
});
