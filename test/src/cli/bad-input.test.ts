// What people and broken networks may hand to a command: each ends with its exit code and one message, and nothing of it
// reaches a query or the terminal as it is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/cli/command.ts';
import { projectPath } from '../../../src/paths.ts';
import { runCommand } from './command-line.ts';

vi.setConfig({ testTimeout: 120_000 });

const AWAY = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

it.each([
  ['a query in an id', ['sessions', 'show', "sesn_1' OR WorkflowId != '"]],
  ['a path in an id', ['sessions', 'show', '../../sesn_1']],
  ['a query in a filter', ['sessions', 'list', '--agent', "a' OR AgentId = 'b"]],
  ['a query in the id of an environment', ['environments', 'show', "e' OR WorkflowType = 'x"]],
  ['escape sequences', ['sessions', 'show', 'sesn_1\u001b[2J\u001b]0;title\u0007']],
  ['a time before the year 0', ['sessions', 'list', '--older-than', '999999d']],
  ['a time before the year 0', ['usage', '--since', '999999d']],
  ['an unknown command', ['sessions', 'nope\u001b[2J']],
])('%s', async (_name, args) => {
  const ran = await runCommand(args, AWAY);
  expect(ran).toMatchObject({ code: EXIT.usage, stdout: '' });
  expect(ran.stderr).toMatch(/^error: /);
  expect(ran.stderr).not.toMatch(/\bat .*\.[jt]s:/);
  expect(ran.stderr).not.toContain('\u001b');
});

it.each([
  [
    'a page of a network that wants a login',
    'text/html',
    '<html>Log in</html>',
    /text\/html instead of JSON/,
  ],
  ['half an answer', 'application/json', '{"data":[{"id":', /something else than its API/],
])('%s is no answer of Anthropic', async (_name, type, body, text) => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ANTHROPIC_BASE_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { ...AWAY, ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY: 'sk-ant-api03-not-a-secret' };
  const all = await Promise.all(
    [
      ['approvals', 'allow', 'sesn_1'],
      ['send', 'hello', '--session', 'sesn_1'],
    ].map((args) => runCommand(args, env)),
  );
  server.close();
  for (const ran of all) {
    expect(ran).toMatchObject({ code: EXIT.unreachable });
    expect(ran.stderr).toMatch(text);
    expect(ran.stderr).not.toContain('not-a-secret');
  }
});

it('says that the disk is full', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [projectPath('src/main.ts'), '--help'], {
    stdio: ['ignore', full, 'pipe'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const [code] = await once(child, 'close');
  closeSync(full);
  expect({ code, stderr }).toEqual({ code: EXIT.failed, stderr: 'The output cannot be written (ENOSPC).\n' });
});

it('names a .env that is a folder, and a key that was copied in part', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bad-input-'));
  mkdirSync(join(dir, '.env'));
  const folder = await runCommand(['sessions', 'list'], AWAY, '', dir);
  rmSync(dir, { recursive: true });
  expect(folder).toMatchObject({ code: EXIT.usage, stdout: '' });
  expect(folder.stderr).toContain('.env is a folder');
  const cut = await runCommand(['sandboxes', 'list'], { E2B_API_KEY: 'e2b_not a secret' });
  expect(cut).toMatchObject({ code: EXIT.usage, stdout: '' });
  expect(cut.stderr).toMatch(
    /must be a team key of E2B, .* but is cut off, or has characters that no key has/,
  );
  expect(cut.stderr).not.toContain('not a secret');
});
