import { pino } from 'pino';
import { expect, it } from 'vitest';
import { type AdminDeps, createAdminServer } from '../../../src/admin/server.ts';

const NEVER = new Promise<never>(() => undefined);

function server(more: Partial<AdminDeps> = {}) {
  return createAdminServer({
    parts: ['worker'],
    ready: async () => true,
    log: pino({ level: 'silent' }),
    ...more,
  });
}

it('shows what is known while Temporal hangs, and says that it is not ready', async () => {
  const app = server({ ready: () => NEVER });
  const startedAt = performance.now();
  const [metrics, ready] = await Promise.all([app.inject('/metrics'), app.inject('/ready')]);
  expect(metrics.body).toMatch(/_temporal_ready 0$/m);
  expect(metrics.body).toContain('_tool_calls_total');
  expect(ready.statusCode).toBe(503);
  // The bound that operators are promised, not a measure of this machine.
  expect(performance.now() - startedAt).toBeLessThan(3_000);
});

it("shows its own metrics if those of Temporal's core cannot be read", async () => {
  const app = server({ temporalMetrics: () => Promise.reject(new Error('refused')) });
  expect((await app.inject('/metrics')).body).toMatch(/_temporal_ready 1$/m);
});

it('reads once for all requests that come meanwhile, and again for the next', async () => {
  let reads = 0;
  const app = server({
    refresh: async () => {
      reads += 1;
    },
  });
  const answers = await Promise.all(Array.from({ length: 50 }, () => app.inject('/metrics')));
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
  expect(reads).toBe(1);
  await app.inject('/metrics');
  expect(reads).toBe(2);
});

it('shows no metrics of a part that the process does not run', async () => {
  const text = (await server({ parts: ['webhook'] }).inject('/metrics')).body;
  expect(text).toContain('_deliveries_total');
  expect(text).not.toContain('_tool_calls_total');
});
