// Logs and metrics of local sandboxes.
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await startE2BSimulator();
  sandbox = await e2b.Sandbox.create();
});
afterAll(() => e2b?.end());

async function ask(path: string) {
  const answer = await fetch(`${e2b.url}${path}`, { headers: { 'x-api-key': e2b.apiKey } });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

test('metrics are available at once, and kept while the sandbox is paused', async () => {
  const [first] = await sandbox.getMetrics();
  expect(first).toMatchObject({ cpuCount: expect.any(Number), memTotal: 1024 ** 3 });
  expect(first?.memUsed).toBeGreaterThan(1_000_000);
  await sandbox.pause();
  expect(await sandbox.getMetrics()).toHaveLength(1);
  expect(await sandbox.getMetrics({ end: new Date(Date.now() - 3_600_000) })).toEqual([]);
  await sandbox.connect();
  expect(await sandbox.getMetrics()).toHaveLength(2);
  expect((await ask(`/sandboxes/${sandbox.sandboxId}/metrics?start=9&end=8`)).status).toBe(400);
  await expect(e2b.Sandbox.getMetrics('i00000000000000000000')).rejects.toThrow();
});

test('metrics of many sandboxes: the latest of each running one', async () => {
  const [other, paused] = await Promise.all([e2b.Sandbox.create(), e2b.Sandbox.create()]);
  await paused.pause();
  const ids = [sandbox, other, paused].map(({ sandboxId }) => sandboxId);
  const { status, body } = await ask(
    `/sandboxes/metrics?sandbox_ids=${[...ids, 'i00000000000000000000'].join(',')}`,
  );
  expect(status).toBe(200);
  const sample = { cpuCount: expect.any(Number), memUsed: expect.any(Number), timestamp: expect.any(String) };
  expect(body).toEqual({
    sandboxes: Object.fromEntries(ids.slice(0, 2).map((id) => [id, expect.objectContaining(sample)])),
  });
  const many = Array.from({ length: 101 }, (_, n) => `i${n}`).join(',');
  for (const bad of ['', '?sandbox_ids=', `?sandbox_ids=${many}`])
    expect((await ask(`/sandboxes/metrics${bad}`)).status).toBe(400);
  await Promise.all([other, paused].map((each) => each.kill()));
});

test('logs name the calls, but never contain their content', async () => {
  await sandbox.commands.run('echo a-secret', { envs: { KEY: 'a-secret' } });
  await sandbox.files.write('a-name', 'a-secret');
  const path = `/v2/sandboxes/${sandbox.sandboxId}/logs`;
  const read = async (query = '') => {
    const { status, body } = await ask(`${path}?${query}`);
    return [status, (body.logs as { message: string }[])?.map(({ message }) => message)];
  };
  expect(await read('search=sandbox')).toEqual([
    200,
    ['sandbox started', 'sandbox paused', 'sandbox resumed'],
  ]);
  const [, all] = await read();
  expect(all).toEqual(expect.arrayContaining(['POST /process.Process/Start', 'POST /files']));
  expect(JSON.stringify((await ask(path)).body)).not.toMatch(/a-secret|a-name/);
  expect(await read('direction=backward&limit=1&search=sandbox')).toEqual([200, ['sandbox resumed']]);
  expect(await read('level=error')).toEqual([200, []]);
  expect(await read(`cursor=${Date.now() + 10_000}`)).toEqual([200, []]);
  for (const bad of ['level=loud', 'limit=x', 'cursor=-1']) expect((await read(bad))[0]).toBe(400);
  expect((await ask('/v2/sandboxes/i00000000000000000000/logs')).status).toBe(404);
});

test('metrics and logs can fail, be late, or belong to a removed sandbox', async () => {
  const { sandboxId } = await e2b.Sandbox.create();
  const fault = (rule: object) => e2b.admin('POST', '/faults', { times: 1, ...rule });
  const paths = {
    'sandbox.metrics': [`/sandboxes/${sandboxId}/metrics`, `/sandboxes/metrics?sandbox_ids=${sandboxId}`],
    'sandbox.logs': [`/sandboxes/${sandboxId}/logs`, `/v2/sandboxes/${sandboxId}/logs`],
  };
  for (const [route, each] of Object.entries(paths))
    for (const path of each) {
      await fault({ route, kind: 'status', status: 503 });
      expect((await ask(path)).status).toBe(503);
      await fault({ route, kind: 'commit-then-drop' });
      await expect(ask(path)).rejects.toThrow();
      expect((await ask(path)).status).toBe(200);
    }
  await fault({ route: 'sandbox.metrics', kind: 'vanish' });
  expect((await ask(`/sandboxes/${sandboxId}/metrics`)).status).toBe(404);
  expect(await e2b.Sandbox.kill(sandboxId)).toBe(false);
});
