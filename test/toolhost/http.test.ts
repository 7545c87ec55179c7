// The HTTP interface: its refusals and their messages, and that a refusal changes nothing.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Toolhost } from '../../src/clients/toolhost.ts';
import { TOOLHOST_VERSION } from '../../toolhost/version.ts';
import { RunningToolhost } from './running-toolhost.ts';

const host = new RunningToolhost();

beforeAll(() => host.start());
afterAll(() => host.remove());

test('/health reports version and boot id', async () => {
  const { status, body } = await host.request('GET', '/health');
  expect(status).toBe(200);
  expect(body).toEqual({
    ok: true,
    version: TOOLHOST_VERSION,
    bootId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test("every method of the router's client works", async () => {
  const client = new Toolhost({ origin: host.url, headers: {} });
  const { signal } = new AbortController();
  expect(await client.health()).toMatchObject({ version: TOOLHOST_VERSION });
  const call = { name: 'bash', input: { command: 'sleep 0.3; echo out' }, timeoutMs: 10_000 };
  expect(await client.start('sevt_01AbC', call, 0, signal)).toMatchObject({
    id: 'sevt_01AbC',
    state: 'running',
  });
  const { result } = await client.read('sevt_01AbC', 10_000, signal);
  expect(result).toEqual({ content: [{ type: 'text', text: 'out' }], isError: false });
  await client.cancel('sevt_02');
  expect(await client.read('sevt_02', 0, signal)).toMatchObject({ state: 'cancelled' });
  await expect(client.read('sevt_03', 0, signal)).rejects.toMatchObject({
    name: 'SandboxHttpError',
    status: 404,
  });
});

test('an unknown call gets 404; unknown paths and methods are refused', async () => {
  const refused = async (method: string, path: string) => {
    const { status, body } = await host.request(method, path);
    return `${status} ${body.code}`;
  };
  expect(await refused('GET', '/calls/never')).toBe('404 unknown_call');
  expect(await refused('GET', '/calls/never?wait_ms=100')).toBe('404 unknown_call');
  expect(await refused('GET', '/')).toBe('404 not_found');
  expect(await refused('GET', '//calls/x')).toBe('404 not_found');
  expect(await refused('PUT', '/calls/a%2Fb')).toBe('404 not_found');
  expect(await refused('PUT', `/calls/${'x'.repeat(201)}`)).toBe('404 not_found');
  expect(await refused('DELETE', '/calls/x')).toBe('405 method_not_allowed');
  expect(await refused('GET', '/calls/x/cancel')).toBe('405 method_not_allowed');
});

test('bodies that are not a call are refused with the reason, and the id stays free', async () => {
  const valid = { name: 'bash', input: { command: 'echo ran' }, timeoutMs: 10_000 };
  const bodies: [string | Uint8Array, string][] = [
    ['', 'not JSON'],
    ['{"name":"bash"', 'not JSON'],
    [new Uint8Array([0x7b, 0xff, 0xfe]), 'not UTF-8'],
    ['null', 'must be an object'],
    ['[]', 'must be an object'],
    ['"bash"', 'must be an object'],
    [`${'['.repeat(100_000)}`, 'not JSON'],
    [JSON.stringify({ ...valid, name: undefined }), 'name must be'],
    [JSON.stringify({ ...valid, name: 7 }), 'name must be'],
    [JSON.stringify({ ...valid, name: '' }), 'name must be'],
    [JSON.stringify({ ...valid, input: undefined }), 'input must be'],
    [JSON.stringify({ ...valid, timeoutMs: 0 }), 'timeoutMs must be'],
    [JSON.stringify({ ...valid, timeoutMs: '10' }), 'timeoutMs must be'],
    [JSON.stringify({ ...valid, timeoutMs: 1e12 }), 'timeoutMs must be'],
  ];
  for (const [body, reason] of bodies) {
    const answer = await host.request('PUT', '/calls/picky', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.message).toContain(reason);
  }
  for (const wait of ['soon', '-1', '1.5', '9999999999'])
    expect((await host.request('PUT', `/calls/picky?wait_ms=${wait}`, JSON.stringify(valid))).status).toBe(
      400,
    );
  expect((await host.request('GET', '/calls/picky')).status).toBe(404);
  expect(await host.bash('picky', 'echo ran')).toBe('ran');
});

test('a body that is too large is refused, with or without an announced length', async () => {
  const large = JSON.stringify({
    name: 'write',
    input: { file_path: 'x', content: 'x'.repeat(9 * 1024 * 1024) },
  });
  expect(await host.request('PUT', '/calls/large', large)).toMatchObject({
    status: 413,
    body: { code: 'too_large' },
  });
  const stream = new Blob([large]).stream();
  expect(await host.request('PUT', '/calls/large', stream)).toMatchObject({ status: 413 });
  expect((await host.request('GET', '/calls/large')).status).toBe(404);

  const content = 'x'.repeat(7 * 1024 * 1024);
  expect(await host.put('large', 'write', { file_path: 'large', content })).toMatchObject({
    state: 'finished',
  });
  expect(readFileSync(join(host.workdir, 'large'), 'utf8')).toBe(content);
});

test('a client that breaks off its request or does not speak HTTP starts no call', async () => {
  const { port } = new URL(host.url);
  for (const bytes of [
    'PUT /calls/half HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"name":"bash",',
    '\0\0\0\r\n\r\n',
  ]) {
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(bytes);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
  }
  expect((await host.request('GET', '/calls/half')).status).toBe(404);
  expect((await host.request('GET', '/health')).status).toBe(200);
});

test('a second toolhost on the same port exits with the reason and does not touch the journal', async () => {
  await host.put('long', 'bash', { command: 'sleep 0.5; echo out' }, 10_000, 0);
  const second = await host.startAnother({ TOOLHOST_PORT: new URL(host.url).port });
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('EADDRINUSE') });
  expect(await host.put('long', 'bash', {})).toMatchObject({ state: 'finished' });
});

test('an unusable setting stops the start with its name', async () => {
  const start = (env: Record<string, string>) => host.startAnother({ TOOLHOST_PORT: '0', ...env });
  expect((await start({ TOOLHOST_PORT: 'http' })).stderr).toContain('TOOLHOST_PORT');
  expect((await start({ TOOLHOST_WORKDIR: 'session' })).stderr).toContain('TOOLHOST_WORKDIR');
  expect((await start({ TOOLHOST_STATE: '/dev/null/state' })).stderr).toContain('TOOLHOST_STATE');
});

test('the log names every call, without inputs and outputs', async () => {
  await host.bash('logged', 'echo very-secret');
  const lines = readFileSync(host.logFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'call started', id: 'logged', name: 'bash' }),
  );
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'call ended', id: 'logged', state: 'finished', isError: false }),
  );
  expect(readFileSync(host.logFile, 'utf8')).not.toContain('very-secret');
  expect(existsSync(`${host.logFile}.1`)).toBe(false);
});
