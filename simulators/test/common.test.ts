import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerAdmin } from '../common/admin.ts';
import { Clock } from '../common/clock.ts';
import { addFaultHooks } from '../common/fault-hooks.ts';
import { Faults, parseFaultRule } from '../common/faults.ts';
import { Store } from '../common/store.ts';
import { Switches } from '../common/switches.ts';

describe('faults', () => {
  test('after and times bound the hits, route and match choose them', () => {
    const faults = new Faults();
    faults.add({ route: 'work.ack', match: 'work_1', kind: 'status', after: 1, times: 2 });
    const taken = ['work_1', 'work_2', 'work_1', 'work_1', 'work_1'].map(
      (subject) => faults.take('work.ack', subject) !== undefined,
    );
    expect(taken).toEqual([false, false, true, true, false]);
    expect(faults.take('work.poll', 'work_1')).toBeUndefined();
    expect(faults.list()).toMatchObject([{ hits: 4, taken: 2 }]);
    expect(faults.clear()).toBe(true);
    expect(faults.list()).toEqual([]);
  });

  test('random rules repeat with their seed and are refused without one', () => {
    const run = (seed: number) => {
      const faults = new Faults();
      faults.add({ kind: 'drop', probability: 0.5, seed });
      return Array.from({ length: 64 }, () => (faults.take('x', '') ? '1' : '0')).join('');
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    expect(run(1)).toMatch(/0.*1|1.*0/);
    expect(() => parseFaultRule({ kind: 'drop', probability: 0.5 })).toThrow('seed');
  });

  test.each([
    [{ kind: 'explode' }, 'kind'],
    [{ kind: 'status', status: 99 }, 'status'],
    [{ kind: 'latency', latencyMs: -1 }, 'latencyMs'],
    [{ kind: 'drop', route: 7 }, 'route'],
    ['drop', 'object'],
  ])('refuses %j', (rule, word) => {
    expect(() => parseFaultRule(rule)).toThrow(word);
  });
});

describe('clock', () => {
  test('runs what fell due when it is pushed forward, in order', async () => {
    const clock = new Clock();
    const seen: string[] = [];
    clock.setTimeout(() => seen.push('late'), 60_000);
    clock.setTimeout(() => seen.push('early'), 30_000);
    const cleared = clock.setTimeout(() => seen.push('cleared'), 10_000);
    cleared.clear();
    clock.advance(61_000);
    await clock.sleep(0);
    expect(seen).toEqual(['early', 'late']);
    clock.close();
  });

  test('goes on from a saved state', () => {
    const clock = new Clock();
    clock.advance(86_400_000);
    const again = new Clock(clock.state());
    expect(again.now()).toBeGreaterThanOrEqual(Date.now() + 86_000_000);
    expect(() => clock.setSpeed(0)).toThrow('speed');
    expect(() => again.advance(1e15)).toThrow('year 10000');
    expect(again.iso()).toMatch(/^\d{4}-/);
  });
});

describe('store', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'store-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test('keeps what was saved, in order, and drops a batch that was cut off', async () => {
    const path = join(dir, 'state.jsonl');
    const store = await Store.open(path);
    const table = store.table<{ n: number }>('things');
    table.put('b', { n: 1 });
    table.put('a', { n: 2 });
    table.put('gone', { n: 3 });
    await store.save();
    table.delete('gone');
    table.put('b', { n: 4 });
    await Promise.all([store.save(), store.save()]);
    await appendFile(path, '[["things","torn",{"n":');

    const again = await Store.open(path);
    expect(again.table('things').entries()).toEqual([
      ['b', { n: 4 }],
      ['a', { n: 2 }],
    ]);
    again.table('things').put('c', { n: 5 });
    await again.close();
    const third = await Store.open(path);
    expect(third.dump()).toEqual({ things: { b: { n: 4 }, a: { n: 2 }, c: { n: 5 } } });
    await third.close();
    await store.close();
  });

  test('writes only what changed', async () => {
    const path = join(dir, 'state.jsonl');
    const store = await Store.open(path);
    for (let index = 0; index < 1000; index += 1)
      store.table('t').put(`id${index}`, { text: 'x'.repeat(100) });
    await store.save();
    const before = (await readFile(path)).length;
    store.table('t').put('id7', { text: 'y' });
    await store.save();
    expect((await readFile(path)).length - before).toBeLessThan(100);
    await store.close();
  });

  test('names a damaged file', async () => {
    const path = join(dir, 'state.jsonl');
    await appendFile(path, 'nonsense\n');
    await expect(Store.open(path)).rejects.toThrow(`${path}:1`);
  });
});

describe('servers', () => {
  const adminToken = 'admin-token';
  const authorization = `Bearer ${adminToken}`;
  const faults = new Faults();
  const clock = new Clock();
  const switches = new Switches({ colour: { default: 'red', values: ['red', 'blue'] } });
  let done = 0;

  async function start() {
    const app = Fastify({ forceCloseConnections: true });
    addFaultHooks(app, faults, (action) => ({ injected: action.kind }));
    app.post('/things', { config: { fault: 'things.create' } }, async () => ({ done: ++done }));
    await registerAdmin(app, { adminToken, faults, clock, switches, state: () => ({ done }) });
    await app.listen({ host: '127.0.0.1', port: 0 });
    return app;
  }

  test('faults hit a request before or after its work', async () => {
    const app = await start();
    const url = app.listeningOrigin;
    const admin = (method: string, path: string, body?: unknown) =>
      app.inject({
        method: method as 'POST',
        url: `/_admin${path}`,
        headers: { authorization },
        ...(body === undefined ? {} : { payload: body as object }),
      });
    const call = () => fetch(`${url}/things`, { method: 'POST' });
    const cases = [
      { kind: 'status', status: 429, retryAfter: 7, times: 1 },
      { kind: 'commit-then-status', status: 503, times: 1 },
      { kind: 'drop', times: 1 },
      { kind: 'commit-then-drop', times: 1 },
    ];
    const seen: unknown[] = [];
    for (const rule of cases) {
      expect((await admin('POST', '/faults', { route: 'things.create', ...rule })).statusCode).toBe(200);
      const before = done;
      const answer = await call().catch(() => undefined);
      seen.push([answer?.status, answer && (await answer.json()), done - before]);
      if (rule.retryAfter) expect(answer?.headers.get('retry-after')).toBe('7');
    }
    expect(seen).toEqual([
      [429, { injected: 'status' }, 0],
      [503, { injected: 'commit-then-status' }, 1],
      [undefined, undefined, 0],
      [undefined, undefined, 1],
    ]);
    expect((await call()).status).toBe(200);
    expect((await admin('DELETE', '/faults/fault_99')).statusCode).toBe(404);
    expect((await admin('DELETE', '/faults')).json()).toEqual({ removed: true });
    await app.close();
  });

  test('the admin interface needs its token and names wrong input', async () => {
    const app = await start();
    const ask = (method: 'GET' | 'PATCH' | 'POST', path: string, payload?: object, header = authorization) =>
      app.inject({
        method,
        url: `/_admin${path}`,
        headers: { authorization: header },
        ...(payload && { payload }),
      });
    expect((await ask('GET', '/state', undefined, 'Bearer wrong')).statusCode).toBe(401);
    expect((await ask('GET', '/state')).json()).toEqual({ done });
    expect((await ask('PATCH', '/switches', { colour: 'blue' })).json()).toEqual({ colour: 'blue' });
    const refused = await ask('PATCH', '/switches', { colour: 'green' });
    expect([refused.statusCode, refused.json().error]).toEqual([400, expect.stringContaining('red, blue')]);
    expect((await ask('PATCH', '/switches', { shape: 'round' })).json().error).toContain(
      'unknown switch shape',
    );
    expect((await ask('POST', '/clock', { speed: 'fast' })).statusCode).toBe(400);
    expect((await ask('POST', '/clock', { speed: 2 })).json()).toMatchObject({ speed: 2 });
    expect((await ask('POST', '/faults', { kind: 'x' })).statusCode).toBe(400);
    await app.close();
  });
});
