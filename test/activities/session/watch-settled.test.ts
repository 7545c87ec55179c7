// A watch that begins after a settled turn reads the events since then, not the whole session.
import { expect, it } from 'vitest';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { bash, message, script } from '../../../simulators/test/managed-agents.ts';
import type { SessionChange, ToolCallsRequested } from '../../../workflows/messages.ts';
import { cloud, eventually, newer, watch } from './watched-session.ts';

type Watched = Pick<Awaited<ReturnType<typeof watch>>, 'deps'>;

const idles = ({ deps }: Watched) =>
  deps.recorded.signals
    .filter(({ name }) => name === 'sessionChanged')
    .map(({ message: change }) => change as SessionChange)
    .filter(({ change }) => change === 'idle');

const callsOf = (signal?: { message: unknown }) =>
  (signal?.message as ToolCallsRequested | undefined)?.calls ?? [];

/** A session whose first turn, with hundreds of events, has ended. */
async function settledSession() {
  const first = await watch(script(...Array(300).fill({ say: 'Still at it.' })));
  await eventually(() => idles(first).length === 1, 20_000);
  const [end] = idles(first);
  expect(end).toMatchObject({ reason: 'end_turn', settled: true });
  await first.stop();
  const page = await first.deps.anthropic.environment.beta.sessions.events.list(first.sessionId, {
    limit: 1,
  });
  const oldest = page.data[0];
  if (!oldest || !end) throw new Error('no events');
  return { first, oldest, settledAt: end.eventId };
}

it('reads what has happened since, and nothing from before', async () => {
  const { first, oldest, settledAt } = await settledSession();
  await cloud.send(first.sessionId, message(script([bash('ls')])));
  const views = new SessionViews();
  const second = newer(first, views, { settledAt, turn: 'idle' });
  await eventually(() => second.opened().length === 1);
  const calls = callsOf(second.opened()[0]);
  expect(calls).toMatchObject([{ name: 'bash', preview: 'ls' }]);
  const view = views.get(first.sessionId);
  expect(view?.inputOf(calls[0]?.id ?? '')).toMatchObject({ input: { command: 'ls' } });
  expect(view?.hasSeen(oldest)).toBe(false);
});

it('reads more than a page since then', async () => {
  const { first, settledAt } = await settledSession();
  await cloud.send(
    first.sessionId,
    message(script([bash('ls')], ...Array(250).fill({ say: 'On.' }), [bash('ps')])),
  );
  const views = new SessionViews();
  const second = newer(first, views, { settledAt, turn: 'idle' });
  await eventually(() => second.opened().length === 1);
  const calls = callsOf(second.opened()[0]);
  await cloud.send(first.sessionId, cloud.result(calls[0]?.id ?? '', 'ok'));
  await eventually(() => second.opened().length === 2, 20_000);
  const third = newer(first, new SessionViews(), { settledAt, turn: 'running', since: 3 });
  await eventually(() => third.opened().length === 1);
  // Only the call that is open.
  expect(third.opened()[0]?.message).toMatchObject({ calls: [{ preview: 'ps' }] });
});

it('reports the end of the turn to a workflow that believes a turn runs', async () => {
  const { first, settledAt } = await settledSession();
  const second = newer(first, new SessionViews(), { settledAt, turn: 'running' });
  await eventually(() => idles(second).length === 1);
  expect(idles(second)).toMatchObject([{ eventId: settledAt, reason: 'end_turn' }]);
});

it('reads all events where the named one is not among them', async () => {
  const { first, oldest } = await settledSession();
  const views = new SessionViews();
  newer(first, views, { settledAt: 'sevt_unknown', turn: 'idle' });
  await eventually(() => views.get(first.sessionId)?.hasSeen(oldest) === true);
});

it('does not call a turn settled that had threads: their calls may outlast it', async () => {
  const watched = await watch(script({ threads: [{ name: 'a', steps: [{ say: 'Done.' }] }] }));
  await eventually(() => idles(watched).length === 1, 20_000);
  expect(idles(watched)[0]).not.toHaveProperty('settled');
});
