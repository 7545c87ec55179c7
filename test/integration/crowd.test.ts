// More sessions than a worker has slots, with every part as a process of its own: all sessions end.
import { afterEach, expect, it, vi } from 'vitest';
import { statusOf } from '../../harness/session-workflow.ts';
import { eventsOf, openSession, sendMessage } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let world: World;
afterEach(() => world?.close());

const calls = (name: string) => [bash(`echo ${name}-1`), bash(`echo ${name}-2`)] as const;
const asks = (name: string) =>
  [bash(`echo ${name}-1`, { permission: 'ask' }), bash(`echo ${name}-2`)] as const;

async function begin(steps: ReturnType<typeof bash>[]): Promise<string> {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, script(...steps));
  return sessionId;
}

const hasEnded = async (sessionId: string) => {
  const last = (await eventsOf(world.anthropic, sessionId)).findLast(
    (event) => event.type === 'session.status_idle',
  );
  return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn';
};
const allHaveEnded = (sessionIds: string[], withinMs: number) =>
  until(
    `${sessionIds.length} turns have ended`,
    async () => (await Promise.all(sessionIds.map(hasEnded))).every(Boolean),
    withinMs,
  );
const waitForApproval = (sessionIds: string[]) =>
  until(
    'they wait for approval',
    async () => {
      const phases = await Promise.all(
        sessionIds.map(async (id) => (await statusOf(world, id).catch(() => null))?.phase),
      );
      return phases.every((phase) => phase === 'waiting for approval');
    },
    120_000,
  );

async function approve(sessionId: string): Promise<void> {
  const asked = (await eventsOf(world.anthropic, sessionId)).find((event) => event.type === 'agent.tool_use');
  await world.anthropic.beta.sessions.events.send(sessionId, {
    events: [{ type: 'user.tool_confirmation', tool_use_id: asked?.id ?? '', result: 'allow' }],
  });
}

/** The output of the session's calls, in the order in which their results were accepted. */
async function outputsOf(sessionId: string): Promise<string[]> {
  return (await eventsOf(world.anthropic, sessionId)).flatMap((event) => {
    if (event.type !== 'user.tool_result') return [];
    return (event.content ?? []).flatMap((part) => (part.type === 'text' ? part.text.trim() : []));
  });
}

it('12 sessions at once with one slot of each kind, four of them waiting for approval: all end, in order', async () => {
  world = await startTestWorld({
    graceSeconds: 0.5,
    settings: async () => ({
      WORKER_MAX_ACTIVITIES: '1',
      WORKER_MAX_TOOL_CALLS: '1',
      WORKER_MAX_WATCHED_SESSIONS: '1',
    }),
  });
  const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
  const waits = (n: number) => n % 3 === 0;
  const sessions = await Promise.all(
    names.map((name, n) => begin([...(waits(n) ? asks(name) : calls(name))])),
  );
  const asking = sessions.filter((_id, n) => waits(n));
  // The sessions that are not awaiting approval do not wait for those that are.
  await allHaveEnded(
    sessions.filter((id) => !asking.includes(id)),
    150_000,
  );
  await waitForApproval(asking);
  await Promise.all(asking.map(approve));
  await allHaveEnded(asking, 120_000);
  for (const [n, id] of sessions.entries())
    expect(await outputsOf(id)).toEqual([`${names[n]}-1`, `${names[n]}-2`]);
});

it('with three watch slots and three sessions awaiting approval, a fourth session ends, and the three end once approved', async () => {
  world = await startTestWorld({
    graceSeconds: 1,
    settings: async () => ({ WORKER_MAX_WATCHED_SESSIONS: '3' }),
  });
  const asking = await Promise.all(['a', 'b', 'c'].map((name) => begin([...asks(name)])));
  await waitForApproval(asking);
  const fourth = await begin([...calls('d')]);
  await allHaveEnded([fourth], 60_000);
  for (const id of asking) expect(await outputsOf(id)).toEqual([]);
  await Promise.all(asking.map(approve));
  await allHaveEnded(asking, 60_000);
  expect(await Promise.all([...asking, fourth].map(outputsOf))).toEqual(
    ['a', 'b', 'c', 'd'].map((name) => [`${name}-1`, `${name}-2`]),
  );
});
