import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { postResult } from '../../../activities/tool-calls/post-result.ts';
import {
  agentMessages,
  bash,
  type Fixture,
  script,
  startFixture,
  turnEnded,
} from '../../../simulators/test/managed-agents.ts';
import { testDeps } from '../deps.ts';

let cloud: Fixture;
beforeEach(async () => {
  cloud = await startFixture();
});
afterEach(() => cloud.close());

const PAUSES_MS = { result: [10, 20, 30], errorResult: [10, 20, 30] };

function post(
  sessionId: string,
  callId: string,
  text: string,
  signal = new AbortController().signal,
  pauses = PAUSES_MS,
) {
  const result = { content: [{ type: 'text' as const, text }], isError: false };
  const args = { sessionId, callId, result, sealedSecret: null };
  return postResult(testDeps({ anthropic: cloud }), args, signal, pauses);
}

/** A session that waits for one call. */
async function waiting(): Promise<[session: string, call: string]> {
  const session = await cloud.startSession(script([bash('a')]));
  return [session, (await cloud.calls(session, 1))[0]?.id ?? ''];
}

const refuse = (more: object) =>
  cloud.admin('POST', '/faults', { route: 'events.send', kind: 'status', status: 400, ...more });

it.each([400, 413, 422])(
  'tells the model in one short result that its content was refused: %i',
  async (status) => {
    await refuse({ match: 'poison', status });
    const [session, call] = await waiting();
    expect(await post(session, call, 'poison '.repeat(10_000))).toMatchObject({ outcome: 'replaced' });
    const answer = agentMessages(await cloud.eventsUntil(session, turnEnded)).at(-1) ?? '';
    expect(answer).toContain('its output was refused');
    expect(answer.length).toBeLessThan(1_000);
  },
);

it('tries again what is refused for another reason, with the result itself', async () => {
  await refuse({ times: 3 });
  const [session, call] = await waiting();
  expect(await post(session, call, 'the output')).toEqual({ outcome: 'accepted' });
  expect(agentMessages(await cloud.eventsUntil(session, turnEnded)).at(-1)).toBe('the output');
});

it('interrupts the turn when no result of the call is taken', async () => {
  const [session, call] = await waiting();
  await refuse({ match: call });
  expect(await post(session, call, 'the output')).toMatchObject({ outcome: 'interrupted' });
  await cloud.eventsUntil(session, turnEnded);
});

it('interrupts the thread of such a call alone', async () => {
  const threads = [
    { name: 'a', steps: [bash('a')] },
    { name: 'b', steps: [bash('b')] },
  ];
  const session = await cloud.startSession(script({ threads }, { say: 'One.' }));
  const [a, b] = await cloud.calls(session, 2);
  await refuse({ match: a?.id ?? '' });
  expect(await post(session, a?.id ?? '', 'the output')).toMatchObject({ outcome: 'interrupted' });
  expect(await post(session, b?.id ?? '', 'ok')).toEqual({ outcome: 'accepted' });
  expect(agentMessages(await cloud.eventsUntil(session, turnEnded))).toEqual(['One.']);
});

it('says so when not even the interrupt is taken', async () => {
  const [session, call] = await waiting();
  await refuse({});
  expect(await post(session, call, 'x')).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('the interrupt, too'),
  });
});

it('ends in the middle of its pauses when it is cancelled', async () => {
  const [session, call] = await waiting();
  await refuse({ match: call });
  const cancelled = new AbortController();
  const posting = post(session, call, 'x', cancelled.signal, { ...PAUSES_MS, result: [600_000] });
  await delay(200);
  cancelled.abort(new Error('cancelled'));
  await expect(posting).rejects.toThrow('cancelled');
});

it('sends no character that the service may refuse', async () => {
  await cloud.set({ 'result-text': 'clean' });
  const [session, call] = await waiting();
  expect(await post(session, call, '\x1b[31mred\x1b[0m \0 \ud83d')).toEqual({ outcome: 'accepted' });
  expect(agentMessages(await cloud.eventsUntil(session, turnEnded)).at(-1)).toBe('red \ufffd \ufffd');
});

it('counts a refusal of what was answered meanwhile as answered', async () => {
  const [session, call] = await waiting();
  await cloud.send(session, cloud.result(call, 'by hand'));
  expect(await post(session, call, 'x')).toEqual({ outcome: 'answered' });
});
