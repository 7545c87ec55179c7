// What answers in the place of the service may send anything: a turn that is followed comes to an end all the same.
import Anthropic from '@anthropic-ai/sdk';
import { expect, it, vi } from 'vitest';
import { idOf } from '../../../src/cli/setup/clients.ts';
import { followTurn } from '../../../src/cli/setup/follow-turn.ts';
import { type SessionEvent, TurnProgress } from '../../../src/cli/setup/turn-events.ts';

vi.setConfig({ testTimeout: 120_000 });

function following(body: unknown) {
  const client = new Anthropic({
    authToken: 'none',
    apiKey: null,
    baseURL: 'http://127.0.0.1:1',
    fetch: async () =>
      new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } }),
  });
  return followTurn({
    client,
    variable: 'ANTHROPIC_API_KEY',
    sessionId: 'sesn_1',
    known: new Set(),
    waitForApprovals: false,
    onEvent: () => undefined,
    onWaiting: () => undefined,
    signal: AbortSignal.timeout(60_000),
  });
}

const RUNNING = { id: 'sevt_1', type: 'session.status_running', processed_at: '2026-11-01T00:00:00Z' };

it.each([
  ['events without id and type', { data: [{}, null] }, /events of session sesn_1 are none/],
  ['a text in the place of the list', { data: 'events' }, /events of session sesn_1 are none/],
  ['an object in the place of the list', { data: { id: 'sevt_1' } }, /events of session sesn_1 are none/],
  ['the same page again and again', { data: [RUNNING], next_page: 'again' }, /has no end/],
])('%s ends with an error that names the address', async (_what, body, text) => {
  await expect(following(body)).rejects.toThrow(text);
  await expect(following(body)).rejects.toThrow(/ANTHROPIC_BASE_URL/);
});

it('a turn of events that lack what they should have comes to an end too', async () => {
  const types = [
    'agent.tool_use',
    'agent.message',
    'user.tool_result',
    'session.error',
    'session.status_idle',
  ];
  const events = types.map((type, index) => ({ id: `sevt_${index}`, type }));
  await expect(following({ data: events.toReversed() })).resolves.toMatchObject({
    how: 'stopped',
    answer: '',
    calls: 1,
  });
  const lines: string[] = [];
  const shown = new TurnProgress((line) => lines.push(line));
  for (const event of events) shown.add(event as SessionEvent);
  expect(lines).toEqual(['undefined: undefined', 'agent: ', 'result: ', 'error: undefined']);
});

it('an answer to a creation without an id is none', () => {
  for (const answer of [{}, null, { id: 5 }, { id: 'a b' }])
    expect(() => idOf(answer, 'a new session')).toThrow(/a new session has no id/);
  expect(idOf({ id: 'sesn_1' }, 'a new session')).toBe('sesn_1');
});

it('the last message is not shown as progress: it is the answer', () => {
  const lines: string[] = [];
  const shown = new TurnProgress((line) => lines.push(line));
  const say = (text: string) =>
    shown.add({ type: 'agent.message', content: [{ type: 'text', text }] } as SessionEvent);
  say('first');
  say('answer');
  expect(lines).toEqual(['agent: first']);
  shown.flush();
  shown.flush();
  expect(lines).toEqual(['agent: first', 'agent: answer']);
});
