// Memory folders and outputs over HTTP.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MemoryScan as Scan } from '../../toolhost/protocol.ts';
import { RunningToolhost, textOf } from './running-toolhost.ts';

const host = new RunningToolhost();
let stores = 0;

beforeAll(() => host.start());
afterAll(() => host.remove());

const sha = (text: string) => createHash('sha256').update(text).digest('hex');

async function ask<Body = Scan>(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Body }> {
  const answer = await host.request(method, path, body && JSON.stringify(body));
  return { status: answer.status, body: answer.body as unknown as Body };
}

/** Mounts a store in a folder of its own. */
async function mounted(readOnly = false) {
  const id = `memstore_${stores++}`;
  const root = join(host.dir, 'memory', id);
  const mount = () => ask('PUT', `/memory/${id}`, { root, readOnly });
  const first = await mount();
  expect(first.status).toBe(200);
  const change = async (changes: object) =>
    (await ask<{ outcomes: Record<string, unknown> }>('POST', `/memory/${id}/changes`, changes)).body
      .outcomes;
  const note = (revision: number, notes: object) => ask('PUT', `/memory/${id}/notes`, { revision, notes });
  const scan = async () => (await ask('GET', `/memory/${id}`)).body;
  return { id, root, mount, first: first.body, change, note, scan };
}

test('a folder is created, gets its marker with the notes, and is found again after a restart', async () => {
  const { first, root, note, change, mount, scan } = await mounted();
  expect(first).toEqual({ marker: 'missing', files: {}, complete: true, notes: null, revision: 0 });
  expect(await note(0, { any: 'thing' })).toMatchObject({ status: 200, body: { revision: 1 } });
  expect(await change({ write: [{ path: 'a/b.md', content: 'ü', expect: null }] })).toEqual({
    'a/b.md': 'done',
  });
  const files = { 'a/b.md': { sha: sha('ü'), size: 2 } };
  expect(await scan()).toEqual({
    marker: 'ours',
    files,
    complete: true,
    notes: { any: 'thing' },
    revision: 1,
  });
  await host.end('SIGKILL');
  await host.start();
  expect((await mount()).body).toMatchObject({ marker: 'ours', files, notes: { any: 'thing' }, revision: 1 });
  writeFileSync(join(root, '.anthropic-memory-store'), 'version 1\nmemstore_another');
  expect(await scan()).toMatchObject({ marker: 'other' });
  rmSync(root, { recursive: true });
  expect(await scan()).toMatchObject({ marker: 'missing', files: {}, revision: 1 });
});

test('notes for an old revision are refused', async () => {
  const { note } = await mounted();
  await note(0, {});
  expect(await note(0, {})).toMatchObject({ status: 409, body: { code: 'stale_notes' } });
});

test('a file is changed only if it has the expected content', async () => {
  const { change, root, id, scan } = await mounted();
  await change({ write: [{ path: 'a', content: '1', expect: null }] });
  expect(await change({ write: [{ path: 'a', content: '2', expect: null }] })).toEqual({ a: 'changed' });
  expect(await change({ write: [{ path: 'a', content: '2', expect: sha('1') }] })).toEqual({ a: 'done' });
  expect(await change({ remove: [{ path: 'a', expect: sha('1') }] })).toEqual({ a: 'changed' });
  expect(await ask('GET', `/memory/${id}/file?path=a`)).toMatchObject({ body: { content: '2' } });
  // Written twice with the same length and, most likely, the same time stamp.
  writeFileSync(join(root, 'a'), '3');
  expect((await scan()).files.a?.sha).toBe(sha('3'));
  expect(await change({ remove: [{ path: 'a', expect: sha('3') }] })).toEqual({ a: 'done' });
  expect(existsSync(join(root, 'a'))).toBe(false);
  expect(await ask('GET', `/memory/${id}/file?path=a`)).toMatchObject({ body: { content: null } });
});

test('paths that lead outside, links, and files that are not text are refused', async () => {
  const { change, root, id, scan } = await mounted();
  const outside = join(host.dir, 'outside');
  mkdirSync(outside, { recursive: true });
  symlinkSync(outside, join(root, 'link'));
  symlinkSync('/etc/passwd', join(root, 'passwd'));
  writeFileSync(join(root, 'binary'), Buffer.from([0xff, 0xfe]));
  writeFileSync(join(root, 'huge'), '');
  truncateSync(join(root, 'huge'), 2 ** 30);
  writeFileSync(join(root, 'file'), 'x');
  for (const path of [
    '../x',
    '/x',
    'a//b',
    './a',
    '',
    'link/x',
    'passwd',
    'file/x',
    'x'.repeat(300),
    'a\0b',
    '.anthropic-memory-store',
  ])
    expect((await change({ write: [{ path, content: '', expect: null }] }))[path], path).toHaveProperty(
      'failed',
    );
  expect(existsSync(join(outside, 'x'))).toBe(false);
  expect(Object.keys((await scan()).files).sort()).toEqual(['binary', 'file', 'huge']);
  expect((await scan()).files.huge).toEqual({ sha: null, size: 2 ** 30 });
  for (const path of ['binary', 'huge', 'passwd', '../x'])
    expect((await ask('GET', `/memory/${id}/file?path=${path}`)).status, path).toBe(422);
});

test('mount paths that collide with other folders are refused with the reason', async () => {
  const { root } = await mounted();
  writeFileSync(join(host.dir, 'a-file'), '');
  const place = async (at: string) => {
    const { status, body } = await ask<{ message?: string }>('PUT', '/memory/memstore_place', {
      root: at,
      readOnly: false,
    });
    return `${status} ${body.message ?? ''}`;
  };
  for (const at of ['relative', '/a/../b', '/a//b', '/a/'])
    expect(await place(at)).toMatch(/^422 .*not a clean absolute path/);
  for (const at of [
    root,
    join(root, 'within'),
    host.workdir,
    host.dir,
    join(host.workdir, 'skills/x'),
    host.state,
  ])
    expect(await place(at), at).toMatch(/^422 .*collides with/);
  expect(await place('/proc/memory')).toMatch(/^422 .*cannot be made/);
  expect(await place(join(host.dir, 'a-file'))).toMatch(/^422 .*cannot be made|not a directory/);
  expect(await ask('GET', '/memory/memstore_place')).toMatchObject({ status: 422 });
  expect(await ask('PUT', '/memory/memstore_place', { root: 7 })).toMatchObject({ status: 400 });
});

test('the file tools reach a mounted store, and do not write to a read-only store', async () => {
  const writable = await mounted();
  const readOnly = await mounted(true);
  await readOnly.change({ write: [{ path: 'known.md', content: 'fact', expect: null }] });
  const run = (name: string, input: object) => host.put(`call_${stores++}`, name, input);
  expect((await run('write', { file_path: `${writable.root}/n.md`, content: 'x' })).result?.isError).toBe(
    false,
  );
  expect(textOf(await run('read', { file_path: `${readOnly.root}/known.md` }))).toBe('fact');
  expect(textOf(await run('grep', { pattern: 'fa.t', path: readOnly.root }))).toContain('fact');
  const refused = await run('edit', {
    file_path: `${readOnly.root}/known.md`,
    old_string: 'fact',
    new_string: '',
  });
  expect(textOf(refused)).toMatch(/read-only/);
});

test('outputs are listed with the end of a call, and can be read one by one', async () => {
  expect(await host.put('o1', 'bash', { command: 'true' })).not.toHaveProperty('outputs');
  const call = await host.put('o2', 'bash', {
    command:
      'mkdir -p outputs/sub && echo hello > "outputs/sub/a b.txt" && ln -s /etc outputs/etc && : > outputs/empty',
  });
  expect(call).toMatchObject({
    outputs: {
      count: 2,
      bytes: 6,
      complete: true,
      files: expect.arrayContaining([expect.objectContaining({ path: 'sub/a b.txt', size: 6 })]),
    },
  });
  const fetched = await fetch(`${host.url}/outputs/file?path=${encodeURIComponent('sub/a b.txt')}`);
  expect(fetched.headers.get('content-length')).toBe('6');
  expect(await fetched.text()).toBe('hello\n');
  expect(await (await fetch(`${host.url}/outputs/file?path=empty`)).text()).toBe('');
  for (const [path, status] of [
    ['etc/passwd', 422],
    ['../../state/calls.jsonl', 422],
    ['missing', 404],
    ['sub', 422],
  ] as const)
    expect((await fetch(`${host.url}/outputs/file?path=${path}`)).status, path).toBe(status);
  await host.put('o3', 'bash', { command: 'for i in $(seq 50); do echo > outputs/$i; done' });
  const { body } = await host.request('GET', '/calls/o3');
  expect(body).toMatchObject({ outputs: { count: 52, files: { length: 20 } } });
});
