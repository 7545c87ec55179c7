// Lifecycle events of local sandboxes.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LifecycleEvent } from '../e2b/lifecycle-events.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
beforeAll(async () => {
  e2b = await startE2BSimulator();
});
afterAll(() => e2b?.end());

async function ask(path: string): Promise<{ status: number; body: LifecycleEvent[] }> {
  const answer = await fetch(`${e2b.url}/events/sandboxes${path}`, { headers: { 'x-api-key': e2b.apiKey } });
  return { status: answer.status, body: (await answer.json()) as LifecycleEvent[] };
}
const labels = (events: LifecycleEvent[]) => events.map(({ event_label }) => event_label);
const advance = (ms: number) => e2b.admin('POST', '/clock', { advanceMs: ms });

test('a sandbox reports its life, with the length and size of each run, and paging', async () => {
  const sandbox = await e2b.Sandbox.create({ metadata: { session: 'sesn_1' } });
  const other = await e2b.Sandbox.create();
  await advance(60_000);
  await sandbox.pause();
  await advance(600_000);
  await sandbox.connect();
  await sandbox.setTimeout(900_000);
  await advance(30_000);
  await sandbox.kill();
  const path = `/${sandbox.sandboxId}`;
  const { body } = await ask(`${path}?orderAsc=true`);
  expect(labels(body)).toEqual(['created', 'paused', 'resumed', 'updated', 'killed']);
  expect(new Set(body.map(({ id }) => id)).size).toBe(5);
  for (const event of body) {
    expect(event).toMatchObject({
      version: 'v2',
      type: `sandbox.lifecycle.${event.event_label}`,
      event_category: 'lifecycle',
      sandbox_id: sandbox.sandboxId,
    });
    expect(event.event_data.sandbox_metadata).toEqual({ session: 'sesn_1' });
  }
  const runs = body.flatMap(({ event_data }) => event_data.execution ?? []) as {
    execution_time: number;
    memory_mb: number;
  }[];
  expect(runs.map(({ execution_time }) => Math.round(execution_time / 10_000))).toEqual([6, 3]);
  expect(runs.every(({ memory_mb }) => memory_mb === 1024)).toBe(true);
  expect(body.at(-1)?.event_data).toMatchObject({ kill_reason: 'request' });
  const [first, , second] = body;
  expect(second?.sandbox_execution_id).not.toBe(first?.sandbox_execution_id);

  expect(labels((await ask(`${path}?limit=2`)).body)).toEqual(['killed', 'updated']);
  expect(labels((await ask(`${path}?limit=2&offset=2`)).body)).toEqual(['resumed', 'paused']);
  const types = 'types=sandbox.lifecycle.paused&types=sandbox.lifecycle.created';
  expect(labels((await ask(`${path}?${types}`)).body)).toEqual(['paused', 'created']);
  const team = (await ask('?limit=100')).body;
  expect(new Set(team.map(({ sandbox_id }) => sandbox_id))).toEqual(
    new Set([sandbox.sandboxId, other.sandboxId]),
  );
  for (const bad of ['limit=0', 'limit=101', 'offset=-1', 'orderAsc=yes', 'limit=x'])
    expect((await ask(`?${bad}`)).status).toBe(400);
  await other.kill();
});

test('a sandbox that is killed while it is paused reports no run', async () => {
  const sandbox = await e2b.Sandbox.create();
  await sandbox.pause();
  await sandbox.kill();
  const [killed] = (await ask(`/${sandbox.sandboxId}`)).body;
  expect(killed).toMatchObject({ event_label: 'killed' });
  expect(killed?.event_data).not.toHaveProperty('execution');
});

test('events outlive their sandbox, and are gone after seven days', async () => {
  const sandbox = await e2b.Sandbox.create();
  await sandbox.kill();
  const path = `/${sandbox.sandboxId}`;
  await advance(6.9 * 86_400_000);
  expect(labels((await ask(path)).body)).toEqual(['killed', 'created']);
  await advance(0.2 * 86_400_000);
  expect((await ask(path)).body).toEqual([]);
});
