/** Broken connections, too large bodies and many concurrent clients: the server survives and leaks nothing. */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture } from './managed-agents.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.close());

const headers = () => ({
  authorization: `Bearer ${fixture.apiKey}`,
  'anthropic-beta': 'managed-agents-2026-04-01',
  'content-type': 'application/json',
});
const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

/** Maximum number of idle connections that the clients of this file keep. */
const KEPT_ALIVE = 6;

/** Waits until only about that many connections are open; fails after five seconds. */
const quiet = (before: number) =>
  expect.poll(sockets, { timeout: 5000 }).toBeLessThanOrEqual(before + KEPT_ALIVE);

/** Sends data on a raw connection. Resolves with the answer when the connection is closed. */
function raw(text: string, then: (socket: Socket) => void = () => {}): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const { hostname, port } = new URL(fixture.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, () => {
      socket.write(text);
      then(socket);
    });
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

const head = (line: string, more = '') =>
  `${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${fixture.apiKey}\r\nanthropic-beta: managed-agents-2026-04-01\r\n` +
  `content-type: application/json\r\n${more}\r\n`;

test('1,000 requests at once are all answered, on as many connections', async () => {
  const before = sockets();
  const agent = new Agent({ maxSockets: 1000, keepAlive: false });
  const session = await fixture.startSession('Hello.');
  const paths = [
    `/v1/sessions/${session}`,
    `/v1/sessions/${session}/events`,
    `/v1/environments/${fixture.environmentId}/work/stats`,
    '/v1/agents',
  ];
  const get = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request(`${fixture.url}${path}`, { agent, headers: headers() }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      })
        .on('error', reject)
        .end();
    });
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, index) => get(paths[index % paths.length] ?? '')),
  );
  expect(answers.filter((status) => status !== 200)).toEqual([]);
  agent.destroy();
  await quiet(before);
});

test('300 streams and polls that are cut leave nothing behind', async () => {
  const before = sockets();
  const session = await fixture.startSession('Hello.');
  const open: Promise<string>[] = [];
  for (let count = 0; count < 150; count += 1) {
    open.push(
      raw(head(`GET /v1/sessions/${session}/events/stream`), (s) => setTimeout(() => s.destroy(), 100)),
    );
    const poll = `GET /v1/environments/${fixture.environmentId}/work/poll?block_ms=999`;
    open.push(
      raw(head(poll).replace(fixture.apiKey, fixture.environmentKey), (s) =>
        setTimeout(() => s.destroy(), 100),
      ),
    );
  }
  await Promise.all(open);
  await quiet(before);
  // No aborted poll has taken the item, so the next poll gets it.
  const item = await fixture.poll(1);
  expect(item.data.id).toBe(session);
});

test('requests that break off or are no HTTP are closed, and no work is done', async () => {
  const before = sockets();
  const sessions = async () => (await fixture.organization.beta.sessions.list()).data.length;
  const body = JSON.stringify({ agent: fixture.agentId, environment_id: fixture.environmentId });
  const post = (length: number) => head('POST /v1/sessions', `content-length: ${length}\r\n`);
  const half = await raw(`${post(body.length)}${body.slice(0, 20)}`, (socket) => socket.end());
  expect(half).not.toContain('HTTP/1.1 2');
  void raw(`${post(body.length)}${body.slice(0, 20)}`, (socket) => setTimeout(() => socket.destroy(), 50));
  expect(await raw('not HTTP at all\r\n\r\n')).toContain('400');
  expect(
    await raw(head('POST /v1/sessions', 'content-length: 5\r\ntransfer-encoding: chunked\r\n')),
  ).toContain('400');
  expect(await raw(head('GET /v1/sessions', `x-long: ${'x'.repeat(100_000)}\r\n`))).toContain('431');
  await delay(100);
  expect(await sessions()).toBe(0);
  await quiet(before);
});

test.each([
  ['32MB', 33 * 1024 * 1024],
  ['4MiB', 5 * 1024 * 1024],
])('bodies above %s are refused, also in chunks', async (cap, size) => {
  await fixture.set({ 'body-cap': cap });
  const send = async (chunked: boolean, bytes: number) => {
    const text = JSON.stringify({ events: [], padding: 'x'.repeat(bytes) });
    const body = chunked ? new Blob([text]).stream() : text;
    const init = { method: 'POST', headers: headers(), body, ...(chunked ? { duplex: 'half' } : {}) };
    const response = await fetch(`${fixture.url}/v1/sessions/none/events`, init as RequestInit);
    return [response.status, ((await response.json()) as { error: { type: string } }).error.type];
  };
  expect(await send(true, size)).toEqual([413, 'request_too_large']);
  expect(await send(false, size)).toEqual([413, 'request_too_large']);
  expect(await send(true, 1024 * 1024)).toEqual([404, 'not_found_error']);
});

test('limits are told in headers, and enforced where a switch says so', async () => {
  const get = () => fetch(`${fixture.url}/v1/agents`, { method: 'POST', headers: headers(), body: '{' });
  const first = await get();
  expect(first.headers.get('anthropic-ratelimit-requests-limit')).toBe('300');
  expect(first.headers.get('request-id')).toMatch(/^req_/);
  await fixture.set({ 'rate-limits': 'enforced' });
  const statuses: number[] = [];
  let last = first;
  for (let count = 0; count < 310 && last.status !== 429; count += 1) {
    last = await get();
    statuses.push(last.status);
  }
  expect(last.status).toBe(429);
  expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await last.json()).toMatchObject({ error: { type: 'rate_limit_error' } });
  await fixture.admin('POST', '/clock', { advanceMs: 60_000 });
  expect((await get()).status).toBe(400);
});
