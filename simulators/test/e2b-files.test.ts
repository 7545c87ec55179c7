// Files of a local sandbox: ranges, encodings, metadata.
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { e2b, run, sandbox } from './e2b-one-sandbox.ts';
import { routing } from './e2b-raw.ts';

const url = (path: string) => `${e2b.url}/files?path=${encodeURIComponent(path)}`;
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(url(path), { headers: { ...routing(sandbox), ...headers } });
const post = (
  path: string,
  body: string | FormData | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) => fetch(url(path), { method: 'POST', body, headers: { ...routing(sandbox), ...headers } });

describe('reading', () => {
  test('returns ranges of a file', async () => {
    await sandbox.files.write('part.txt', 'Hello, world!');
    const part = async (range: string) => {
      const answer = await get('part.txt', { range });
      return [answer.status, await answer.text(), answer.headers.get('content-range')];
    };
    expect(await part('bytes=7-11')).toEqual([206, 'world', 'bytes 7-11/13']);
    expect(await part('bytes=7-')).toEqual([206, 'world!', 'bytes 7-12/13']);
    expect(await part('bytes=-6')).toEqual([206, 'world!', 'bytes 7-12/13']);
    expect(await part('bytes=7-400')).toEqual([206, 'world!', 'bytes 7-12/13']);
    expect(await part('bytes=0-0,5-6')).toEqual([200, 'Hello, world!', null]);
    const large = '9'.repeat(400);
    for (const all of [`bytes=0-${large}`, `bytes=-${large}`])
      expect(await part(all)).toEqual([206, 'Hello, world!', 'bytes 0-12/13']);
    for (const beyond of ['bytes=13-', `bytes=${large}-`, 'bytes=-0'])
      expect(await part(beyond)).toEqual([416, expect.stringContaining('13 bytes'), 'bytes */13']);
    for (const odd of ['bytes=5-2', 'bytes=-', 'bytes=a-b', 'bytes=-1-2', 'bytes', 'lines=1-2'])
      expect([odd, ...(await part(odd))]).toEqual([odd, 416, '{"code":416,"message":"invalid range"}', null]);
    await sandbox.files.write('part.txt', '');
    expect(await part('bytes=0-99')).toEqual([200, '', null]);
    await sandbox.files.write('part.txt', 'Hello, world!');
  });

  test('compresses if the client accepts it, but never empty or partial files', async () => {
    await sandbox.files.write('big.txt', 'x'.repeat(100_000));
    const packed = await rawGet('big.txt', 'gzip');
    expect([packed.encoding, gunzipSync(packed.body).length]).toEqual(['gzip', 100_000]);
    expect(packed.body.length).toBeLessThan(10_000);
    expect((await rawGet('big.txt', 'gzip;q=0, identity')).encoding).toBeUndefined();
    await sandbox.files.write('empty.txt', '');
    expect(await rawGet('empty.txt', 'gzip')).toMatchObject({ encoding: undefined, length: '0' });
    expect(await sandbox.files.read('big.txt', { format: 'bytes', gzip: true })).toHaveLength(100_000);
  });

  test('refuses what is no file', async () => {
    await run('mkfifo /tmp/pipe');
    expect((await get('/tmp/pipe')).status).toBe(400);
    expect((await get('/tmp')).status).toBe(400);
    expect((await get('/etc/passwd/below')).status).toBe(404);
    expect(await (await get('none')).json()).toEqual({
      code: 404,
      message: "path '/home/user/none' does not exist",
    });
    const user = await fetch(`${url('part.txt')}&username=stranger`, { headers: routing(sandbox) });
    expect([user.status, ((await user.json()) as { message: string }).message]).toEqual([
      401,
      "invalid username: 'stranger'",
    ]);
  });
});

describe('writing', () => {
  test('takes plain bodies, compressed or not, and streams', async () => {
    const octets = { 'content-type': 'application/octet-stream' };
    const answer = await post('~/plain.bin', 'plain', octets);
    expect(await answer.json()).toEqual([{ name: 'plain.bin', path: '/home/user/plain.bin', type: 'file' }]);
    await post('packed.bin', gzipSync('packed'), { ...octets, 'content-encoding': 'gzip' });
    expect([await sandbox.files.read('plain.bin'), await sandbox.files.read('packed.bin')]).toEqual([
      'plain',
      'packed',
    ]);
    const bytes = randomBytes(5 * 1024 * 1024);
    await sandbox.files.write('streamed.bin', new Blob([bytes]).stream() as ReadableStream);
    expect(await run('sha256sum < /home/user/streamed.bin')).toBe(
      await sha256(await sandbox.files.read('streamed.bin', { format: 'bytes' })),
    );
    expect(await run('stat -c "%U %G %a" /home/user/streamed.bin')).toBe('user user 644');
  });

  test('takes forms: several files by their names, one by the query, text without a file name', async () => {
    const form = new FormData();
    form.append('note', 'no file');
    form.append('file', new Blob(['one']), 'forms/ä "1".txt');
    form.append('file', new Blob([randomBytes(300_000)]), '/tmp/forms/two.bin');
    const several = await fetch(`${e2b.url}/files`, {
      method: 'POST',
      body: form,
      headers: routing(sandbox),
    });
    const written = (await several.json()) as { path: string }[];
    expect(written.map(({ path }) => path)).toEqual([
      expect.stringContaining('/home/user/forms/ä '),
      '/tmp/forms/two.bin',
    ]);
    expect(await run('stat -c %s /tmp/forms/two.bin')).toBe('300000');

    const text = new FormData();
    text.append('file', 'just text');
    expect(await (await post('text.txt', text)).json()).toMatchObject([{ path: '/home/user/text.txt' }]);
    expect(await sandbox.files.read('text.txt')).toBe('just text');
  });

  test('makes the file belong to the writing user, even if it existed before', async () => {
    await run('install -m 600 /dev/null /home/user/theirs');
    await sandbox.files.write('theirs', 'mine now');
    expect(await run('stat -c "%U %a" /home/user/theirs')).toBe('user 600');
  });

  test('refuses malformed bodies', async () => {
    const octets = { 'content-type': 'application/octet-stream' };
    const status = async (answer: Promise<Response>) => (await answer).status;
    expect(await status(post('/tmp', 'x', octets))).toBe(400);
    expect(await status(post('', 'x', octets))).toBe(400);
    expect(await status(post('a\0b', 'x', octets))).toBe(400);
    expect(await status(post('x', 'x', { 'content-type': 'text/plain' }))).toBe(400);
    expect(await status(post('x', 'x', { 'content-type': 'multipart/form-data' }))).toBe(400);
    const boundary = { 'content-type': 'multipart/form-data; boundary=b' };
    expect(await status(post('x', '--b\r\ncontent-disposition: form-data; name="file"', boundary))).toBe(400);
    const cut = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nno end';
    expect(await status(post('cut', cut, boundary))).toBe(400);
    expect(await status(post('x', 'no gzip', { ...octets, 'content-encoding': 'gzip' }))).toBe(400);
    expect(await status(post('x', 'x', { ...octets, 'content-encoding': 'br' }))).toBe(400);
    expect(await status(post('/etc/passwd/x', 'x', octets))).toBe(400);
    await run('mount -t tmpfs -o size=64k small /srv');
    expect(await status(post('/srv/large', 'x'.repeat(200_000), octets))).toBe(507);
  });
});

describe('metadata', () => {
  test('stays with a file until it is written again', async () => {
    const metadata = { author: 'ann', purpose: 'test' };
    for (const useOctetStream of [false, true]) {
      const info = await sandbox.files.write('meta.txt', 'x', { metadata, useOctetStream });
      expect(info.metadata).toEqual(metadata);
    }
    expect((await sandbox.files.getInfo('meta.txt')).metadata).toEqual(metadata);
    const moved = await sandbox.files.rename('meta.txt', 'meta/moved.txt');
    expect(moved.metadata).toEqual(metadata);
    expect((await sandbox.files.list('meta')).map((entry) => entry.metadata)).toEqual([metadata]);
    await run('setfattr -n user.e2b.by -v hand /home/user/meta/moved.txt');
    expect((await sandbox.files.getInfo('meta/moved.txt')).metadata).toEqual({ ...metadata, by: 'hand' });
    const again = await sandbox.files.write('meta/moved.txt', 'y');
    expect(again.metadata).toBeUndefined();
    expect((await sandbox.files.getInfo('meta/moved.txt')).metadata).toBeUndefined();
  });

  test('is refused where it is no attribute', async () => {
    const octets = { 'content-type': 'application/octet-stream' };
    const answer = await post('m', 'x', { ...octets, [`x-metadata-${'n'.repeat(300)}`]: 'x' });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('metadata name')]);
    expect((await post('m', 'x', { ...octets, 'x-metadata-a': 'ü' })).status).toBe(400);
    expect(await sandbox.files.exists('m')).toBe(false);
  });
});

describe('entries', () => {
  test('show the target of links, and modes in the format of Go', async () => {
    await run(
      'cd /tmp && mkdir -p kinds/dir && cd kinds && ln -s dir link && ln -s nowhere broken && mkfifo pipe',
    );
    await run('chmod 4755 /tmp/kinds/pipe');
    const link = await sandbox.files.getInfo('/tmp/kinds/link');
    expect(link).toMatchObject({
      type: 'dir',
      permissions: 'Lrwxrwxrwx',
      symlinkTarget: '/tmp/kinds/dir',
      mode: 0o755,
    });
    expect((await sandbox.files.getInfo('/tmp/kinds/pipe')).permissions).toBe('purwxr-xr-x');
    expect((await sandbox.files.getInfo('/tmp')).permissions).toBe('dtrwxrwxrwx');
    // The SDK omits entries that are neither files nor folders.
    expect((await sandbox.files.list('/tmp/kinds')).map(({ name }) => name)).toEqual(['dir', 'link']);
  });

  test('move across the layers of the system', async () => {
    await run('mkdir -p /opt/tool/bin && echo x > /opt/tool/bin/x');
    await sandbox.files.rename('/opt/tool', '/home/user/tool', { user: 'root' });
    expect(await sandbox.files.read('tool/bin/x')).toBe('x\n');
    expect(await sandbox.files.exists('/opt/tool')).toBe(false);
  });
});

test('the service measures itself and names the environment of the sandbox', async () => {
  const metrics = await fetch(`${e2b.url}/metrics`, { headers: routing(sandbox) });
  const { mem_used, mem_total, disk_total } = (await metrics.json()) as Record<string, number>;
  expect(mem_used).toBeGreaterThan(1_000_000);
  expect(mem_total).toBeGreaterThan(mem_used ?? 0);
  expect(disk_total).toBeGreaterThan(0);
  const other = await e2b.Sandbox.create('base', { envs: { A: 'b' } });
  expect(await (await fetch(`${e2b.url}/envs`, { headers: routing(other) })).json()).toEqual({ A: 'b' });
  await other.kill();
});

/** Not with fetch, which decompresses the answer. */
async function rawGet(path: string, accept: string) {
  const { request } = await import('node:http');
  return new Promise<{ encoding?: string; length?: string; body: Buffer }>((resolve, reject) => {
    const headers = { ...routing(sandbox), 'accept-encoding': accept };
    const outgoing = request(url(path), { headers }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const { 'content-encoding': encoding, 'content-length': length } = answer.headers;
      resolve({ encoding, length, body: Buffer.concat(chunks) } as never);
    });
    outgoing.once('error', reject).end();
  });
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const { createHash } = await import('node:crypto');
  return `${createHash('sha256').update(bytes).digest('hex')}  -`;
}
