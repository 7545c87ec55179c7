// The paths of the older API (v1) that today's SDK no longer uses.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StandIn, standIn } from './e2b-stand-in.ts';

let e2b: StandIn;

beforeAll(async () => {
  e2b = await standIn();
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

test('resume wakes a paused sandbox only; refreshes extend the life of a running one only', async () => {
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

test('resume brings back older files where a fault says so', async () => {
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
