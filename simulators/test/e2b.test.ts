// Host names and ports of a local sandbox; test/conformance has the tests of commands and files.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let sandbox: Sandbox;

const hostServer = createServer((request, response) => response.end(`host says ${request.url}`));

beforeAll(async () => {
  await new Promise<void>((resolve) => hostServer.listen(0, '127.0.0.1', resolve));
  e2b = await startE2BSimulator({ hostPorts: [hostPort()] });
  sandbox = await e2b.Sandbox.create('base', { timeoutMs: 3_600_000 });
});
afterAll(async () => {
  await e2b?.end();
  hostServer.close();
});

describe('files', () => {
  test('signed addresses work without a token, others do not', async () => {
    const routing = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '49983' };
    await sandbox.files.write('signed.txt', 'signed');
    const url = await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: 60 });
    expect(await (await fetch(url, { headers: routing })).text()).toBe('signed');
    expect((await fetch(url.replace('signed.txt', 'other.txt'), { headers: routing })).status).toBe(401);
    const form = new FormData();
    form.append('file', new Blob(['uploaded']), 'up.txt');
    const upload = await fetch(await sandbox.uploadUrl('up.txt'), {
      method: 'POST',
      body: form,
      headers: routing,
    });
    expect(upload.status).toBe(200);
    expect(await sandbox.files.read('up.txt')).toBe('uploaded');
    const bare = await fetch(`${e2b.url}/process.Process/List`, {
      method: 'POST',
      headers: routing,
      body: '{}',
    });
    expect(bare.status).toBe(401);
    // An internal request of the simulator to its agent.
    const inner = await fetch(`${e2b.url}/_boot`, { method: 'POST', headers: routing, body: '{}' });
    expect(inner.status).toBe(404);
  });
});

describe('ports', () => {
  const SERVER = `require('node:http').createServer((request, response) => {
    if (request.url === '/stream') {
      response.write('first ');
      setTimeout(() => response.end('second'), 100);
    } else {
      let size = 0;
      request.on('data', (chunk) => { size += chunk.length; });
      request.on('end', () => { response.statusCode = 201; response.end(request.method + ' ' + request.url + ' ' + size); });
    }
  }).listen(8000)`;
  const routing = () => ({ 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8000' });

  test('are forwarded to the sandbox, by header and by host name', async () => {
    const closed = await fetch(`${e2b.url}/`, { headers: routing() });
    expect([closed.status, ((await closed.json()) as { message: string }).message]).toEqual([
      502,
      expect.stringContaining('port is not open'),
    ]);
    await sandbox.files.write('server.cjs', SERVER);
    await sandbox.commands.run('node server.cjs', { background: true, timeoutMs: 0 });
    await expect.poll(async () => (await fetch(`${e2b.url}/up`, { headers: routing() })).status).toBe(201);
    const body = randomBytes(1024 * 1024);
    const answer = await fetch(`${e2b.url}/x?y=1`, { method: 'PUT', headers: routing(), body });
    expect([answer.status, await answer.text()]).toEqual([201, `PUT /x?y=1 ${body.length}`]);
    expect(await (await fetch(`${e2b.url}/stream`, { headers: routing() })).text()).toBe('first second');
    const host = sandbox.getHost(8000);
    const { stdout } = await sandboxHostFetch(host);
    expect(stdout).toBe('GET /by-name 0');
  });

  test('two sandboxes listen on the same port', async () => {
    const other = await e2b.Sandbox.create('base');
    await other.files.write('server.cjs', SERVER.replace("request.method + ' '", "'other '"));
    await other.commands.run('node server.cjs', { background: true, timeoutMs: 0 });
    const headers = { 'e2b-sandbox-id': other.sandboxId, 'e2b-sandbox-port': '8000' };
    await expect.poll(async () => (await fetch(`${e2b.url}/`, { headers })).status).toBe(201);
    expect(await (await fetch(`${e2b.url}/`, { headers })).text()).toBe('other / 0');
    expect(await (await fetch(`${e2b.url}/`, { headers: routing() })).text()).toBe('GET / 0');
    await other.kill();
  });

  test('a selected port of the host is reached at the same address', async () => {
    const get = `node -e "fetch('http://127.0.0.1:${hostPort()}/path').then(r => r.text()).then(console.log)"`;
    expect((await sandbox.commands.run(get)).stdout).toBe('host says /path\n');
  });
});

function hostPort(): number {
  return (hostServer.address() as AddressInfo).port;
}

/** Node cannot resolve names below `localhost`, so the name is set as the Host header. */
async function sandboxHostFetch(host: string): Promise<{ stdout: string }> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = request(`${e2b.url}/by-name`, { headers: { host } }, async (answer) => {
      let stdout = '';
      for await (const chunk of answer) stdout += chunk;
      resolve({ stdout });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
