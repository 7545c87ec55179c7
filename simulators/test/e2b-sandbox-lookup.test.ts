// How local sandboxes are found through the unmodified SDK: lists, refusals, ids.
import { E2B, NotFoundError } from 'e2b';
import { describe, expect, test } from 'vitest';
import { e2b } from './e2b-greeter.ts';

describe('lists', () => {
  test('filter by metadata and state, in pages', async () => {
    const metadata = { owner: 'a=b&c d', kind: 'listed' };
    const made = await Promise.all(
      [1, 2, 3].map((n) => e2b.Sandbox.create('base', { metadata: { ...metadata, n: `${n}` } })),
    );
    const other = await e2b.Sandbox.create('base', { metadata: { kind: 'other' } });
    await made[0]?.pause();
    const all = async (query: object, limit?: number) => {
      const pages = e2b.Sandbox.list({ query, ...(limit ? { limit } : {}) });
      const found: string[][] = [];
      while (pages.hasNext) found.push((await pages.nextItems()).map(({ metadata: { n } }) => n ?? ''));
      return found;
    };
    expect((await all({ metadata })).flat().sort()).toEqual(['1', '2', '3']);
    expect((await all({ metadata: { ...metadata, n: '2' } })).flat()).toEqual(['2']);
    expect((await all({ metadata, state: ['paused'] })).flat()).toEqual(['1']);
    expect((await all({ metadata, state: ['running'] })).flat().sort()).toEqual(['2', '3']);
    const pages = await all({ metadata }, 2);
    expect(pages.map(({ length }) => length)).toEqual([2, 1]);
    expect(pages.flat().sort()).toEqual(['1', '2', '3']);
    const v1 = await fetch(`${e2b.url}/sandboxes`, { headers: { 'x-api-key': e2b.apiKey } });
    expect(((await v1.json()) as unknown[]).length).toBe(3);
    await Promise.all([...made, other].map((sandbox) => sandbox.kill()));
    expect((await all({})).flat()).toEqual([]);
  });

  test('that begin at a moment include the sandbox that was started at it', async () => {
    const sandbox = await e2b.Sandbox.create('base');
    const { startedAt } = await sandbox.getInfo();
    const startedFrom = async (startedAfter: Date) => {
      const found = await e2b.Sandbox.list({ query: { startedAfter } }).nextItems();
      return found.map(({ sandboxId }) => sandboxId);
    };
    expect(await startedFrom(startedAt)).toEqual([sandbox.sandboxId]);
    expect(await startedFrom(new Date(startedAt.getTime() + 1))).toEqual([]);
  });
});

describe('refusals', () => {
  test('name what is wrong or missing', async () => {
    await expect(e2b.Sandbox.create('unknown')).rejects.toThrow("template 'unknown' not found");
    await expect(e2b.Sandbox.create('unknown')).rejects.toMatchObject({ statusCode: 404 });
    await expect(e2b.Sandbox.create('broken')).rejects.toThrow('no such luck');
    await expect(e2b.Sandbox.connect('iabcabcabcabcabcabcab')).rejects.toBeInstanceOf(NotFoundError);
    await expect(e2b.Sandbox.getInfo('../secrets')).rejects.toMatchObject({ statusCode: 400 });
    const network = { denyOut: ['0.0.0.0/0'], allowOut: ['api.example.com'] };
    await expect(e2b.Sandbox.create('base', { network })).rejects.toThrow('network.allowOut');
    const stranger = new E2B({ apiKey: 'e2b_0000', apiUrl: e2b.url, sandboxUrl: e2b.url });
    await expect(stranger.Sandbox.create()).rejects.toThrow('X-API-KEY');
    expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
  });
});

describe('an id', () => {
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${e2b.url}${path}`, {
      method,
      headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return [answer.status, await answer.json()];
  };
  const routes: [method: string, path: string, body?: unknown][] = [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/connect', { timeout: 60 }],
    ['POST', '/pause', {}],
    ['POST', '/resume', {}],
    ['POST', '/timeout', { timeout: 60 }],
    ['POST', '/refreshes', {}],
    ['POST', '/snapshots', {}],
    ['POST', '/fork', {}],
    ['PUT', '/network', {}],
    ['GET', '/metrics'],
    ['GET', '/logs'],
  ];

  test('that does not exist gets 404 from every route, an invalid id gets 400', async () => {
    for (const [method, path, body] of routes) {
      expect([path, ...(await ask(method, `/sandboxes/nonexistingsandbox${path}`, body))]).toEqual([
        path,
        404,
        { code: 404, message: expect.stringContaining('nonexistingsandbox') },
      ]);
      expect([path, ...(await ask(method, `/sandboxes/not%20an%20id${path}`, body))]).toEqual([
        path,
        400,
        { code: 400, message: 'invalid sandbox ID: not an id' },
      ]);
    }
    expect(await e2b.Sandbox.kill('nonexistingsandbox')).toBe(false);
  });

  test('may have a client id appended', async () => {
    const { sandboxId } = await e2b.Sandbox.create();
    const named = `/sandboxes/${sandboxId}-client`;
    expect((await ask('GET', `${named}/metrics`))[0]).toBe(200);
    expect((await ask('GET', `${named}/logs`))[0]).toBe(200);
    expect((await ask('POST', `${named}/snapshots`, {}))[0]).toBe(201);
    expect(await e2b.Sandbox.kill(`${sandboxId}-client`)).toBe(true);
  });
});
