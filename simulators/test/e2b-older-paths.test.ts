// The paths of the older API (v1), which the current SDK no longer uses.
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routing } from './e2b-raw.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;

beforeAll(async () => {
  e2b = await startE2BSimulator();
});
afterAll(() => e2b?.end());

async function post(path: string, body?: unknown): Promise<number> {
  const answer = await fetch(`${e2b.url}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': e2b.apiKey, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return answer.status;
}

test('resume works only for a paused sandbox, refresh only for a running one', async () => {
  const sandbox = await e2b.Sandbox.create({ timeoutMs: 600_000 });
  const path = `/sandboxes/${sandbox.sandboxId}`;
  const end = async () => (await e2b.Sandbox.getInfo(sandbox.sandboxId)).endAt.getTime();
  const before = await end();
  expect(await post(`${path}/resume`)).toBe(409);
  expect(await post(`${path}/refreshes`, { duration: 60 })).toBe(204);
  expect(await end()).toBe(before);
  expect(await post(`${path}/refreshes`, { duration: 3600 })).toBe(204);
  expect(await end()).toBeGreaterThan(before);
  expect(await post(`${path}/refreshes`, { duration: 3601 })).toBe(400);
  await sandbox.pause();
  expect(await post(`${path}/refreshes`, { duration: 60 })).toBe(404);
  expect(await post(`${path}/resume`, { timeout: 300, autoPause: true })).toBe(201);
  const { state, lifecycle } = await e2b.Sandbox.getInfo(sandbox.sandboxId);
  expect([state, lifecycle?.onTimeout]).toEqual(['running', 'pause']);
  await sandbox.kill();
  expect(await post(`${path}/resume`)).toBe(404);
});

test('resume restores older files if a fault rule says so', async () => {
  await e2b.admin('PATCH', '/switches', { 'pause-snapshots': 'always' });
  const sandbox = await e2b.Sandbox.create({ timeoutMs: 600_000 });
  const turn = async (text: string) => {
    await sandbox.files.write('/home/user/note', text);
    await sandbox.pause();
  };
  await turn('first');
  await sandbox.connect();
  await turn('second');
  await e2b.admin('POST', '/faults', { route: 'sandbox.connect', kind: 'old-files', times: 1 });
  expect(await post(`/sandboxes/${sandbox.sandboxId}/resume`, { timeout: 300 })).toBe(201);
  expect(await sandbox.files.read('/home/user/note')).toBe('first');
  await sandbox.kill();
});

test('a sandbox with private ports must be secure', async () => {
  const asked = { templateID: 'base', timeout: 600, network: { allowPublicTraffic: false } };
  expect(await post('/sandboxes', asked)).toBe(400);
  expect(await post('/sandboxes', { ...asked, secure: true })).toBe(201);
});

test('a sandbox of the older API accepts requests without a token, unless it is secure', async () => {
  const make = async (path: string, body: Record<string, unknown>) => {
    const answer = await fetch(`${e2b.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ templateID: 'base', timeout: 600, ...body }),
    });
    return (await answer.json()) as { sandboxID: string; envdAccessToken?: string };
  };
  const list = async ({ sandboxID }: { sandboxID: string }) => {
    const headers = { 'e2b-sandbox-id': sandboxID, 'e2b-sandbox-port': '49983' };
    const answer = await fetch(`${e2b.url}/process.Process/List`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{}',
    });
    return answer.status;
  };
  const open = await make('/sandboxes', {});
  expect([open.envdAccessToken, await list(open)]).toEqual([undefined, 200]);
  for (const secured of [
    await make('/sandboxes', { secure: true }),
    await make('/v2/sandboxes', { secure: false }),
  ])
    expect([secured.envdAccessToken, await list(secured)]).toEqual([expect.any(String), 401]);
});

test('an older Python SDK, which fails on unknown fields, gets entries without newer fields', async () => {
  const sandbox = await e2b.Sandbox.create();
  await sandbox.files.write('known.txt', 'x');
  const ask = async (method: string, path: string, agent: string) => {
    const answer = await fetch(`${e2b.url}/filesystem.Filesystem/${method}`, {
      method: 'POST',
      headers: { ...routing(sandbox), 'content-type': 'application/json', 'user-agent': agent },
      body: JSON.stringify({ path }),
    });
    return [answer.headers.get('x-e2b-legacy-sdk'), await answer.json()];
  };
  const entry = { name: 'known.txt', type: 'FILE_TYPE_FILE', path: '/home/user/known.txt' };
  expect(await ask('Stat', 'known.txt', 'connect-python')).toEqual(['true', { entry }]);
  const [, { entries }] = (await ask('ListDir', '/home/user', 'connect-python')) as [string, { entries: [] }];
  expect(entries).toContainEqual(entry);
  expect(await ask('Stat', 'known.txt', 'e2b-python-sdk/2.63.0')).toEqual([
    null,
    { entry: expect.objectContaining({ ...entry, owner: 'user' }) },
  ]);
});

test('a client that uses a domain gets the host names of its sandboxes in that domain', async () => {
  const { port } = new URL(e2b.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = {
      host: `api.e2b.test:${port}`,
      'x-api-key': e2b.apiKey,
      'content-type': 'application/json',
    };
    request({ port, path: '/sandboxes', method: 'POST', headers }, async (response) =>
      resolve((await response.setEncoding('utf8').toArray()).join('')),
    )
      .once('error', reject)
      .end(JSON.stringify({ templateID: 'base', timeout: 600 }));
  });
  expect(JSON.parse(answer)).toMatchObject({ domain: `e2b.test:${port}` });
  const sandbox = await e2b.Sandbox.create();
  expect(sandbox.getHost(80)).toBe(`80-${sandbox.sandboxId}.localhost:${port}`);
});

test('a control-plane request with routing headers still goes to the control plane', async () => {
  const sandbox = await e2b.Sandbox.create();
  await sandbox.pause();
  const headers = { ...routing(sandbox), 'x-api-key': e2b.apiKey, 'content-type': 'application/json' };
  const connect = (init: Record<string, string>) =>
    fetch(`${e2b.url}/sandboxes/${sandbox.sandboxId}/connect`, {
      method: 'POST',
      headers: { ...headers, ...init },
      body: JSON.stringify({ timeout: 600 }),
    });
  expect((await connect({ 'x-api-key': 'e2b_wrong' })).status).toBe(401);
  expect((await connect({})).status).toBe(201);
  expect(await sandbox.isRunning()).toBe(true);
  // A program in the sandbox may use the header x-api-key itself.
  await sandbox.commands.run('python3 -m http.server 8000', { background: true });
  const port = { 'e2b-sandbox-port': '8000' };
  await expect.poll(async () => (await connect(port)).status).toBe(501);
  expect(await (await connect(port)).text()).toContain('Unsupported method');
  await sandbox.kill();
});
