import { afterAll, beforeAll, expect, it } from 'vitest';
import { findCall } from '../../../activities/tool-calls/call-events.ts';
import { bash, type Fixture, script, startFixture } from '../../../simulators/test/managed-agents.ts';

let cloud: Fixture;
beforeAll(async () => {
  cloud = await startFixture();
});
afterAll(() => cloud.close());

/** The call of a thread of this kind after an interrupt of everything. */
async function interrupted(workflowRun: boolean, switches: Record<string, string> = {}) {
  await cloud.set(switches);
  const step = { threads: [{ name: 'a', steps: [bash('ls')] }], workflow_run: workflowRun };
  const session = await cloud.startSession(script(step));
  const [call] = await cloud.calls(session, 1);
  await cloud.send(session, { type: 'user.interrupt' });
  return { found: await findCall(cloud.environment, session, call?.id ?? ''), call };
}

it('counts the calls of a subagent as closed by an interrupt', async () => {
  const { found, call } = await interrupted(false);
  expect(found).toEqual({ closed: true, input: { command: 'ls' }, threadId: call?.session_thread_id });
});

it("counts the calls of a workflow run's threads as open still, with an idle event that names them or without", async () => {
  for (const rounds of ['idle', 'running'])
    expect((await interrupted(true, { 'tool-rounds': rounds })).found).toMatchObject({ closed: false });
});

/** What is found of the call, and the page sizes of the requests for that. */
async function readsFor(session: string, callId: string | undefined) {
  const limits: (string | null)[] = [];
  const counting = cloud.environment.withOptions({
    fetch: (url: Parameters<typeof fetch>[0], init?: RequestInit) => {
      limits.push(new URL(String(url)).searchParams.get('limit'));
      return fetch(url, init);
    },
  });
  return { found: await findCall(counting, session, callId ?? ''), limits };
}

it('reads one small page for an open call, however long its session is', async () => {
  const searches = Array.from({ length: 1_000 }, () => ({ name: 'web_search', input: { query: 'x' } }));
  const session = await cloud.startSession(script(searches, [bash('ls')]));
  const call = (await cloud.calls(session, 1_001)).at(-1);
  expect(await readsFor(session, call?.id)).toEqual({
    found: { closed: false, input: { command: 'ls' } },
    limits: ['20'],
  });
});

it('reads larger pages for the first of many calls that were made at once', async () => {
  const session = await cloud.startSession(
    script(Array.from({ length: 150 }, (_, at) => bash(`echo ${at}`))),
  );
  const [call] = await cloud.calls(session, 150);
  expect(await readsFor(session, call?.id)).toEqual({
    found: { closed: false, input: { command: 'echo 0' } },
    limits: ['20', '100', '100'],
  });
});
