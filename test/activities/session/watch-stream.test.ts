// The watch of a session whose event stream breaks, stalls or stays silent.
import { expect, it } from 'vitest';
import { QuietListings } from '../../../activities/session/quiet-listings.ts';
import { bash, script } from '../../../simulators/test/managed-agents.ts';
import { cloud, eventually, watch } from './watched-session.ts';

/** Listings after so long a silence: twenty at once, then one a minute. */
const quiet = (quietMs: number) => new QuietListings(1, quietMs);

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
