import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LeasedItem, WorkLease } from '../../../activities/work-queue/lease.ts';
import { type Fixture, startFixture } from '../../../simulators/test/managed-agents.ts';
import { createAnthropic } from '../../../src/clients/anthropic.ts';
import type { Lease } from '../../../workflows/contract.ts';
import { testDeps } from '../deps.ts';

let cloud: Fixture;
let over: AbortController;
beforeEach(async () => {
  cloud = await startFixture({ switches: { 'lease-ttl-seconds': '2' } });
  over = new AbortController();
});
afterEach(async () => {
  over.abort();
  await cloud.close();
});

async function takeItem(acknowledge = true) {
  await cloud.startSession('hello');
  const { id, environment_id } = await cloud.poll();
  if (acknowledge) await cloud.environment.beta.environments.work.ack(id, { environment_id });
  return { environmentId: environment_id, sessionId: 'sesn_1', workId: id };
}
const leaseOn = (item: LeasedItem, lease: Lease | null = null) => {
  const { anthropic } = testDeps({ anthropic: cloud });
  return new WorkLease(anthropic.environment, item, lease);
};
const itemState = async ({ environmentId, workId }: LeasedItem) =>
  (await cloud.organization.beta.environments.work.retrieve(workId, { environment_id: environmentId })).state;
const opened = async (lease: WorkLease) => {
  while (!lease.current) await new Promise((resolve) => setTimeout(resolve, 10));
  return lease.current;
};
const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

it('is opened and kept beyond its time to live', async () => {
  const item = await takeItem();
  const lease = leaseOn(item);
  const held = lease.hold(over.signal);
  const first = await opened(lease);
  await seconds(2.5);
  expect(await itemState(item)).toBe('active');
  expect(lease.current?.lastHeartbeat).not.toBe(first.lastHeartbeat);
  over.abort(new Error('enough'));
  await expect(held).rejects.toThrow('enough');
});

it('acknowledges an item whose claim died before it could', async () => {
  const item = await takeItem(false);
  const lease = leaseOn(item);
  lease.hold(over.signal).catch(() => undefined);
  await opened(lease);
  expect(await itemState(item)).toBe('active');
});

it.each(['commit-then-status', 'commit-then-drop'])(
  'is not given up for a heartbeat whose answer got lost: %s',
  async (kind) => {
    const item = await takeItem();
    const lease = leaseOn(item);
    lease.hold(over.signal).catch(() => undefined);
    await opened(lease);
    await cloud.admin('POST', '/faults', { route: 'work.heartbeat', kind, status: 500, times: 1 });
    await seconds(2.5);
    expect(await itemState(item)).toBe('active');
  },
);

it('is not given up for such a heartbeat where refusals come without details', async () => {
  await cloud.set({ 'precondition-details': 'off' });
  const item = await takeItem();
  const lease = leaseOn(item);
  lease.hold(over.signal).catch(() => undefined);
  await opened(lease);
  await cloud.admin('POST', '/faults', {
    route: 'work.heartbeat',
    kind: 'commit-then-status',
    status: 500,
    times: 1,
  });
  await seconds(2.5);
  expect(await itemState(item)).toBe('active');
});

it('goes on where another holder left off', async () => {
  const item = await takeItem();
  const before = leaseOn(item);
  const gone = new AbortController();
  before.hold(gone.signal).catch(() => undefined);
  const handedOver = await opened(before);
  gone.abort();
  const after = leaseOn(item, handedOver);
  after.hold(over.signal).catch(() => undefined);
  await seconds(2.5);
  expect(await itemState(item)).toBe('active');
});

it('goes on also where the holder died before it could tell anybody its last heartbeat', async () => {
  const item = await takeItem();
  const before = leaseOn(item);
  const gone = new AbortController();
  before.hold(gone.signal).catch(() => undefined);
  await opened(before);
  gone.abort();
  const after = leaseOn(item);
  after.hold(over.signal).catch(() => undefined);
  await opened(after);
  expect(await itemState(item)).toBe('active');
});

it('is opened also where the first heartbeat was stored and no answer came for long', async () => {
  await cloud.set({ 'lease-ttl-seconds': '60' });
  const item = await takeItem();
  await cloud.admin('POST', '/faults', { route: 'work.heartbeat', kind: 'commit-then-drop', times: 1 });
  await cloud.admin('POST', '/faults', { route: 'work.heartbeat', kind: 'drop', forMs: 10_000 });
  const lease = leaseOn(item);
  const ended = lease.hold(over.signal).catch(() => undefined);
  expect(await Promise.race([opened(lease), ended])).toMatchObject({ ttlSeconds: 60 });
});

it('ends when the service wants the item back', async () => {
  const item = await takeItem();
  const lease = leaseOn(item);
  const held = lease.hold(over.signal);
  await opened(lease);
  await cloud.organization.beta.environments.work.stop(item.workId, { environment_id: item.environmentId });
  expect(await held).toBe('stopping');
});

it('is lost once it has lapsed', async () => {
  const item = await takeItem();
  const lease = leaseOn(item);
  const held = lease.hold(over.signal);
  await opened(lease);
  await cloud.admin('POST', '/clock', { advanceMs: 60_000 });
  await cloud.poll();
  expect(await held).toBe('lost');
});

it('is counted as lost when the service stays away for longer than it holds', async () => {
  const item = await takeItem();
  const lease = leaseOn(item);
  const held = lease.hold(over.signal);
  await opened(lease);
  await cloud.admin('POST', '/faults', { route: 'work.heartbeat', kind: 'status', status: 503 });
  expect(await held).toBe('lost');
});

it('says at once that a key is refused', async () => {
  const item = await takeItem();
  const { environment } = createAnthropic({
    anthropic: { ...testDeps({ anthropic: cloud }).config.anthropic, environmentKey: 'sk-ant-oat01-revoked' },
  });
  await expect(new WorkLease(environment, item, null).hold(over.signal)).rejects.toMatchObject({
    status: 401,
  });
});
