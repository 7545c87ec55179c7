// Something that answers in Anthropic's place with JSON of its own: `send` ends with one message.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/cli/command.ts';
import { runCommand } from './command-line.ts';

vi.setConfig({ testTimeout: 120_000 });

let close: () => unknown = () => undefined;
afterEach(() => close());

async function send(answer: (request: string) => unknown) {
  const server = createServer((request, response) => {
    request.resume();
    const body = JSON.stringify(answer(`${request.method} ${request.url}`));
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }).listen(0, '127.0.0.1');
  close = () => server.close();
  await once(server, 'listening');
  return runCommand(['send', 'hello', '--agent', 'agent_1', '--environment', 'env_1'], {
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ANTHROPIC_API_KEY: 'sk-ant-api03-not-a-secret',
  });
}

const isCreation = (request: string) => /^POST \/v1\/sessions(\?|$)/.test(request);

it.each([
  ['nothing', () => ({}), /its answer about a new session has no id/],
  [
    'a session without events',
    (request: string) => (isCreation(request) ? { id: 'sesn_1' } : {}),
    /it lists no events of session sesn_1/,
  ],
])('%s', async (_what, answer, text) => {
  const ran = await send(answer);
  expect(ran.stderr).toMatch(text);
  expect(ran).toMatchObject({ code: EXIT.unreachable, stdout: '' });
});
