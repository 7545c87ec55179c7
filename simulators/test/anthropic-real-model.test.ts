/** Turns answered by a Messages API endpoint (a small fake), with the SDK's own worker. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentWorker } from '@anthropic-ai/sdk/lib/environments/worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseOptions } from '../options.ts';
import {
  agentMessages,
  clientOf,
  type Fixture,
  isIdle,
  message,
  script,
  startFixture,
  turnEnded,
} from './managed-agents.ts';

interface Asked {
  key: string | undefined;
  body: {
    model: string;
    system?: string;
    tools: { name: string }[];
    messages: { role: string; content: { type: string }[] }[];
  };
}
type Answer = { status?: number; content?: unknown[]; stop_reason?: string; raw?: string };

let fixture: Fixture;
let endpoint: Server;
let asked: Asked[];
let answers: Answer[];
beforeEach(async () => {
  asked = [];
  answers = [];
  endpoint = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    asked.push({ key: request.headers['x-api-key'] as string, body: JSON.parse(text) });
    const {
      status = 200,
      raw,
      ...given
    } = answers.shift() ?? { content: [{ type: 'text', text: 'Nothing.' }] };
    response.writeHead(status, { 'content-type': 'application/json' });
    const usage = { input_tokens: 10, output_tokens: 5 };
    response.end(
      raw ?? JSON.stringify({ type: 'message', role: 'assistant', usage, stop_reason: 'end_turn', ...given }),
    );
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  const { port } = endpoint.address() as AddressInfo;
  fixture = await startFixture({
    model: { url: `http://127.0.0.1:${port}/`, key: 'the-key', name: 'some-model' },
  });
});
afterEach(async () => {
  await fixture.close();
  endpoint.closeAllConnections();
  endpoint.close();
});

const text = (words: string) => ({ type: 'text', text: words });
const use = (command: string) => ({
  type: 'tool_use',
  id: `toolu_${command}`,
  name: 'bash',
  input: { command },
});

test('a turn of the model with tools, run by a worker', async () => {
  answers = [
    { content: [text('I will look.'), use('echo one'), use('echo two')], stop_reason: 'tool_use' },
    { content: [text('It says one and two.')] },
    { content: [text('You are welcome.')] },
  ];
  const workdir = await mkdtemp(join(tmpdir(), 'real-model-'));
  const stop = new AbortController();
  const { environmentId, environmentKey } = fixture;
  const client = clientOf(fixture.url, 'unused');
  const running = new EnvironmentWorker({
    client,
    environmentId,
    environmentKey,
    workdir,
    maxIdleMs: 100,
    signal: stop.signal,
  }).run();
  const session = await fixture.startSession('What do they say?');
  const events = await fixture.eventsUntil(session, turnEnded);
  stop.abort();
  await running.catch(() => undefined);
  await rm(workdir, { recursive: true, force: true });
  expect(agentMessages(events)).toEqual(['I will look.', 'It says one and two.']);
  expect(asked.map(({ key, body }) => [key, body.model])).toEqual([
    ['the-key', 'some-model'],
    ['the-key', 'some-model'],
  ]);
  expect(asked[0]?.body.tools.map(({ name }) => name)).toEqual([
    'bash',
    'read',
    'write',
    'edit',
    'glob',
    'grep',
  ]);
  const calls = events.flatMap((event) => (event.type === 'agent.tool_use' ? [event.id] : []));
  expect(asked[1]?.body.messages).toMatchObject([
    { role: 'user', content: [{ text: 'What do they say?' }] },
    {
      role: 'assistant',
      content: [{ type: 'text' }, { type: 'tool_use', id: calls[0] }, { type: 'tool_use', id: calls[1] }],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: calls[0], content: [{ text: 'one' }] },
        { type: 'tool_result', tool_use_id: calls[1], content: [{ text: 'two' }] },
      ],
    },
  ]);
  const { usage } = await fixture.organization.beta.sessions.retrieve(session);
  expect(usage).toMatchObject({ input_tokens: 20, output_tokens: 10 });

  await fixture.send(session, message('Thanks.'));
  await expect.poll(async () => agentMessages(await fixture.eventsUntil(session, turnEnded)).length).toBe(3);
  expect(asked[2]?.body.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
    'user',
  ]);
});

test('an interrupted call is told as such', async () => {
  answers = [{ content: [use('sleep 9')], stop_reason: 'tool_use' }, { content: [text('Fine.')] }];
  const session = await fixture.startSession('Sleep.');
  await fixture.calls(session, 1);
  await fixture.send(session, { type: 'user.interrupt' }, message('Never mind.'));
  expect(
    agentMessages(await fixture.eventsUntil(session, (event) => event.type === 'agent.message')),
  ).toEqual(['Fine.']);
  expect(asked[1]?.body.messages.at(-1)?.content).toMatchObject([
    { type: 'tool_result', is_error: true },
    { type: 'text', text: 'Never mind.' },
  ]);
});

test('errors are tried again, then they end the turn; the key is not told', async () => {
  answers = [{ status: 529, raw: 'the-key is overloaded' }, { content: [text('Now.')] }];
  const session = await fixture.startSession('Hello?');
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['Now.']);
  answers = [{ status: 429 }, { status: 500 }, { raw: 'no JSON' }];
  await fixture.send(session, message('And now?'));
  await fixture.eventsUntil(session, (event) => isIdle(event, 'retries_exhausted'));
  answers = [{ status: 401 }];
  await fixture.send(session, message('And now?'));
  await expect
    .poll(async () => {
      const events = await fixture.eventsUntil(session, turnEnded);
      return events.flatMap((event) => (event.type === 'session.error' ? [event.error] : []));
    })
    .toMatchObject([
      { type: 'model_overloaded_error', retry_status: { type: 'retrying' } },
      { type: 'model_rate_limited_error', retry_status: { type: 'retrying' } },
      { type: 'model_request_failed_error', retry_status: { type: 'retrying' } },
      { type: 'model_request_failed_error', retry_status: { type: 'exhausted' } },
      {
        type: 'model_request_failed_error',
        message: expect.stringContaining('401'),
        retry_status: { type: 'exhausted' },
      },
    ]);
  expect(JSON.stringify(await fixture.admin('GET', '/state'))).not.toContain('the-key');
});

test('a refusal; and a script is not put to the model', async () => {
  answers = [{ content: [text('I cannot.')], stop_reason: 'refusal' }];
  const session = await fixture.startSession('Do harm.');
  await fixture.eventsUntil(session, (event) => isIdle(event, 'refusal'));
  await fixture.send(session, message(script({ say: 'Scripted.' })));
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['I cannot.', 'Scripted.']);
  expect(asked).toHaveLength(1);
});

test.each([
  [['--model-name', 'x'], '--model-name needs --model-url'],
  [['--model-key-file', 'x'], '--model-key-file needs --model-url'],
  [['--model-url', 'ftp://x'], '--model-url takes an http or https URL'],
])('the options %j are refused', (args, told) => {
  expect(() => parseOptions(args)).toThrow(told);
});
