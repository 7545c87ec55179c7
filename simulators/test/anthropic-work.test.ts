import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, startFixture, statusOf } from './managed-agents.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.close());

const queue = () => fixture.environment.beta.environments.work;
const inEnvironment = () => ({ environment_id: fixture.environmentId });
const ack = (id: string) => queue().ack(id, inEnvironment());
const beat = (id: string, expected_last_heartbeat: string, more = {}) =>
  queue().heartbeat(id, { ...inEnvironment(), expected_last_heartbeat, ...more });
const stop = (id: string, force = true) => queue().stop(id, { ...inEnvironment(), force });
const show = (id: string) => fixture.organization.beta.environments.work.retrieve(id, inEnvironment());
const advance = (seconds: number) => fixture.admin('POST', '/clock', { advanceMs: seconds * 1000 });

/** A work item with an active lease. */
async function leased(): Promise<{ id: string; last: string }> {
  await fixture.startSession('hello');
  const { id } = await fixture.poll();
  await ack(id);
  return { id, last: (await beat(id, 'NO_HEARTBEAT')).last_heartbeat };
}

describe('the cycle of a work item', () => {
  test('polled, acknowledged, kept alive, stopped', async () => {
    const session = await fixture.startSession('hello');
    const item = await fixture.poll();
    expect(item).toMatchObject({ type: 'work', state: 'queued', data: { type: 'session', id: session } });
    const secret = JSON.parse(Buffer.from(item.secret ?? '', 'base64url').toString());
    expect(secret.sessions_token).toMatch(/^sk-ant-req-/);
    expect(await ack(item.id)).toMatchObject({ id: item.id, state: 'starting', secret: null });

    const first = await beat(item.id, 'NO_HEARTBEAT');
    expect(first).toMatchObject({
      type: 'work_heartbeat',
      state: 'active',
      lease_extended: true,
      ttl_seconds: 300,
    });
    const second = await beat(item.id, first.last_heartbeat);
    expect(second.last_heartbeat).not.toBe(first.last_heartbeat);

    expect(await stop(item.id)).toBeNull();
    expect(await show(item.id)).toMatchObject({ state: 'stopped', stopped_at: expect.any(String) });
    expect(await statusOf(stop(item.id))).toBe(409);
    expect(await beat(item.id, 'anything')).toMatchObject({ state: 'stopped', lease_extended: false });
  });

  test('an empty queue answers 200 with null, at once or after block_ms', async () => {
    const response = await queue().poll(fixture.environmentId, { block_ms: 50 }).asResponse();
    expect([response.status, await response.text()]).toEqual([200, 'null']);
    expect(await statusOf(queue().poll(fixture.environmentId, { block_ms: 1000 }))).toBe(400);
    expect(await statusOf(queue().poll(fixture.environmentId, { block_ms: 0 }))).toBe(400);
  });

  test('a blocked poll wakes when work arrives, and one of two pollers gets it', async () => {
    const polls = [1, 2].map(() => queue().poll(fixture.environmentId, { block_ms: 900 }));
    await fixture.startSession('hello');
    const items = await Promise.all(polls);
    expect(items.filter(Boolean)).toHaveLength(1);
  });

  test('a session has one open item at a time; a stopped one makes room', async () => {
    const session = await fixture.startSession('hello');
    await fixture.eventsUntil(session, (event) => event.type === 'session.status_idle');
    const { id } = await fixture.poll();
    await ack(id);
    await fixture.send(session, { type: 'user.message', content: [{ type: 'text', text: 'again' }] });
    expect(await queue().poll(fixture.environmentId)).toBeNull();
    await stop(id);
    await fixture.eventsUntil(session, (event) => event.type === 'agent.message');
    await expect
      .poll(async () => (await fixture.organization.beta.sessions.retrieve(session)).status)
      .toBe('idle');
    await fixture.send(session, { type: 'user.message', content: [{ type: 'text', text: 'and again' }] });
    expect((await fixture.poll()).id).not.toBe(id);
  });

  test('a graceful stop is told by the next heartbeat and confirmed by the worker', async () => {
    const { id, last } = await leased();
    await stop(id, false);
    expect(await beat(id, last)).toMatchObject({ state: 'stopping', lease_extended: false });
    await stop(id);
    expect((await show(id)).state).toBe('stopped');
  });

  test('list, stats and metadata', async () => {
    await fixture.startSession('one');
    await fixture.startSession('two');
    await fixture.poll();
    const ids: string[] = [];
    for await (const item of queue().list(fixture.environmentId, { limit: 1 })) {
      expect(item.secret).toBeNull();
      ids.push(item.id);
    }
    expect(ids).toHaveLength(2);
    await queue().poll(fixture.environmentId, { 'Anthropic-Worker-ID': 'w1', reclaim_older_than_ms: 60_000 });
    const stats = await fixture.organization.beta.environments.work.stats(fixture.environmentId);
    expect(stats).toMatchObject({ type: 'work_queue_stats', depth: 0, pending: 2, workers_polling: 1 });
    const update = (metadata: Record<string, string | null>) =>
      fixture.organization.beta.environments.work.update(ids[0] ?? '', { ...inEnvironment(), metadata });
    await update({ a: '1', b: '2' });
    expect((await update({ a: null, c: '3' })).metadata).toEqual({ b: '2', c: '3' });
  });

  test('a health check is work, too', async () => {
    const { work_id } = await fixture.admin('POST', `/environments/${fixture.environmentId}/healthcheck`);
    expect(await fixture.poll()).toMatchObject({ id: work_id, data: { type: 'healthcheck' }, secret: null });
  });
});

describe('leases', () => {
  test('a wrong expectation is 412 with the present state, as the SDK knows it', async () => {
    const { id, last } = await leased();
    const refusal = await beat(id, 'NO_HEARTBEAT').catch((error) => error);
    expect(refusal).toBeInstanceOf(Anthropic.Beta.Environments.Work.BetaHeartbeatPreconditionFailedError);
    expect(refusal.details).toEqual({
      error_code: 'heartbeat_precondition_failed',
      current_state: { state: 'active', last_heartbeat: last, lease_extended: false, ttl_seconds: 300 },
    });
    await fixture.set({ 'precondition-details': 'off' });
    const plain = await beat(id, 'NO_HEARTBEAT').catch((error) => error);
    expect(plain).toBeInstanceOf(Anthropic.APIError);
    expect([plain.status, plain.errorCode]).toEqual([412, null]);
  });

  test('a lease that is not renewed expires, and the item is offered again', async () => {
    const { id, last } = await leased();
    expect(await queue().poll(fixture.environmentId)).toBeNull();
    await advance(301);
    expect(await statusOf(beat(id, last))).toBe(412);
    const again = await fixture.poll();
    expect(again).toMatchObject({ id, state: 'queued', latest_heartbeat_at: null });
    expect(again.secret).not.toBeNull();
    await ack(id);
    expect((await beat(id, 'NO_HEARTBEAT')).lease_extended).toBe(true);
  });

  test('the TTL is the one that was asked for, or the switch', async () => {
    const { id, last } = await leased();
    expect((await beat(id, last, { desired_ttl_seconds: 60 })).ttl_seconds).toBe(60);
    await fixture.set({ 'lease-ttl-seconds': '30', 'desired-ttl': 'ignored' });
    await stop(id);
    await fixture.startSession('next');
    const next = await fixture.poll();
    await ack(next.id);
    expect((await beat(next.id, 'NO_HEARTBEAT', { desired_ttl_seconds: 60 })).ttl_seconds).toBe(30);
  });

  test('an item that is not acknowledged is offered again after the age that the poller names', async () => {
    await fixture.startSession('hello');
    const { id } = await fixture.poll();
    await advance(3);
    expect(await queue().poll(fixture.environmentId)).toBeNull();
    expect((await fixture.poll(2000)).id).toBe(id);
  });
});

describe('switches', () => {
  test('reoffer-id=new: the next offer has a new id and the old one is unknown', async () => {
    await fixture.set({ 'reoffer-id': 'new' });
    const { id, last } = await leased();
    await advance(301);
    const again = await fixture.poll();
    expect(again.id).not.toBe(id);
    expect(await statusOf(ack(id))).toBe(404);
    expect(await statusOf(beat(id, last))).toBe(404);
    expect(await statusOf(stop(id))).toBe(404);
  });

  test.each([
    ['200', 200],
    ['409', 409],
    ['404', 404],
  ])('ack-twice=%s', async (value, status) => {
    await fixture.set({ 'ack-twice': value });
    await fixture.startSession('hello');
    const { id } = await fixture.poll();
    await ack(id);
    expect(await statusOf(ack(id))).toBe(status);
  });

  test('unacked-heartbeat: a lease is opened without an acknowledgement, of an item that was handed out', async () => {
    await fixture.startSession('hello');
    const [item] = (await queue().list(fixture.environmentId)).data;
    expect(await statusOf(beat(item?.id ?? '', 'NO_HEARTBEAT'))).toBe(412);
    const { id } = await fixture.poll();
    await fixture.set({ 'unacked-heartbeat': '412' });
    expect(await statusOf(beat(id, 'NO_HEARTBEAT'))).toBe(412);
    await fixture.set({ 'unacked-heartbeat': 'starts' });
    expect(await beat(id, 'NO_HEARTBEAT')).toMatchObject({ state: 'active', lease_extended: true });
    await advance(6);
    expect(await queue().poll(fixture.environmentId)).toBeNull();
    expect(await statusOf(ack(id))).toBe(200);
  });

  test.each([
    ['never', 3600, false],
    ['30s', 31, true],
    ['ttl', 31, false],
    ['ttl', 301, true],
  ])('starting-reoffer=%s after %d s', async (value, seconds, offered) => {
    await fixture.set({ 'starting-reoffer': value });
    await fixture.startSession('hello');
    await ack((await fixture.poll()).id);
    await advance(seconds);
    expect((await queue().poll(fixture.environmentId)) !== null).toBe(offered);
  });

  test('work-item-at: with the session, with its first message, with the first call', async () => {
    const create = () =>
      fixture.organization.beta.sessions.create({
        agent: fixture.agentId,
        environment_id: fixture.environmentId,
      });
    const isQueued = async () => (await queue().poll(fixture.environmentId)) !== null;
    await create();
    expect(await isQueued()).toBe(true);
    await fixture.set({ 'work-item-at': 'message' });
    const { id } = await create();
    expect(await isQueued()).toBe(false);
    await fixture.send(id, { type: 'user.message', content: [{ type: 'text', text: 'hello' }] });
    expect(await isQueued()).toBe(true);
    await fixture.set({ 'work-item-at': 'tool' });
    const session = await fixture.startSession('no tools');
    await fixture.eventsUntil(session, (event) => event.type === 'session.status_idle');
    expect(await isQueued()).toBe(false);
    await fixture.calls(await fixture.startSession('Use bash to date.'), 1);
    expect(await isQueued()).toBe(true);
  });

  test('stopped-heartbeat=412 compares also when the item is stopped', async () => {
    const { id, last } = await leased();
    await stop(id);
    await fixture.set({ 'stopped-heartbeat': '412' });
    expect(await statusOf(beat(id, 'wrong'))).toBe(412);
    expect((await beat(id, last)).state).toBe('stopped');
  });

  test('late-heartbeat=stopped: an expired lease that no worker has taken ends without a conflict', async () => {
    await fixture.set({ 'late-heartbeat': 'stopped' });
    const { id, last } = await leased();
    await advance(301);
    expect(await beat(id, last)).toMatchObject({ state: 'stopped', lease_extended: false });
    await fixture.poll();
    expect(await statusOf(beat(id, last))).toBe(412);
  });

  test('lapse-noticed=next-poll: until the next poll, the holder keeps the lease', async () => {
    await fixture.set({ 'lapse-noticed': 'next-poll' });
    const { id, last } = await leased();
    await advance(301);
    expect((await beat(id, last)).lease_extended).toBe(true);
  });

  test('graceful-stop-unstarted=stopped', async () => {
    await fixture.set({ 'graceful-stop-unstarted': 'stopped' });
    await fixture.startSession('hello');
    const { id } = await fixture.poll();
    await stop(id, false);
    expect((await show(id)).state).toBe('stopped');
  });

  test.each([
    ['stopped-after-ttl', 'stopped'],
    ['stays', 'stopping'],
  ])('stopping-unconfirmed=%s', async (value, state) => {
    await fixture.set({ 'stopping-unconfirmed': value });
    const { id } = await leased();
    await stop(id, false);
    await advance(301);
    expect((await show(id)).state).toBe(state);
  });

  test('work-secret=off and the lifetime of a token', async () => {
    await fixture.set({ 'work-secret': 'off' });
    await fixture.startSession('hello');
    expect((await fixture.poll()).secret).toBeNull();
    await fixture.set({ 'work-secret': 'on', 'sessions-token-seconds': '60' });
    const session = await fixture.startSession('hello');
    const { sessions_token } = JSON.parse(
      Buffer.from((await fixture.poll()).secret ?? '', 'base64url').toString(),
    );
    const read = () => fixture.withToken(sessions_token).beta.sessions.retrieve(session);
    expect(await statusOf(read())).toBe(200);
    await advance(61);
    expect(await statusOf(read())).toBe(401);
  });
});
