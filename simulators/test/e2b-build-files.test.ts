// Files uploaded for the COPY steps of a template build: hostile archives, how long they are kept, their size.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask, e2b, ended, folder, prepared, running } from './e2b-template-builds.ts';

/** A hand-made archive, unlike those of the SDK: a link, a device, or a small file. */
function tarOf(
  entries: { name: string; type?: string; link?: string; text?: string }[],
): Buffer<ArrayBuffer> {
  const blocks = entries.map(({ name, type = '0', link = '', text = '' }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
    for (const [at, field] of [
      [0, name],
      [100, octal(0o644, 7)],
      [108, octal(0, 7)],
      [116, octal(0, 7)],
      [124, octal(text.length, 11)],
      [136, octal(0, 11)],
      [148, ' '.repeat(8)],
      [156, type],
      [157, link],
      [257, 'ustar\u000000'],
      [329, octal(1, 7)],
      [337, octal(3, 7)],
    ] as const)
      header.write(field, at, 'latin1');
    header.write(
      octal(
        header.reduce((sum, byte) => sum + byte),
        6,
      ),
      148,
      'latin1',
    );
    const body = Buffer.alloc(text ? 512 : 0);
    body.write(text);
    return Buffer.concat([header, body]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

test.each([
  ['a way up', [{ name: '../evil', text: 'x' }], 'error'],
  [
    'a link that leads out, and a file behind it',
    [
      { name: 'out', type: '2', link: '/etc' },
      { name: 'out/evil', text: 'x' },
    ],
    'error',
  ],
  ['a hard link to a file of the system', [{ name: 'evil', type: '1', link: '/etc/passwd' }], 'error'],
  ['a device', [{ name: 'evil', type: '3' }], 'error'],
  ['what is no archive', undefined, 'error'],
  ['an absolute path', [{ name: '/etc/evil', text: 'x' }], 'ready'],
])('an archive with %s reaches nothing outside of it', async (_what, entries, status) => {
  const {
    at,
    start,
    status: path,
  } = await prepared('hostile', entries ? tarOf(entries) : Buffer.from('no archive'));
  const steps = [
    { type: 'COPY', args: ['.', '/opt/copied', 'root'], filesHash: 'abc' },
    { type: 'RUN', args: ['test ! -e /etc/evil && test -s /etc/passwd', 'root'] },
  ];
  expect((await ask('POST', start, { steps })).status).toBe(202);
  expect(await ended(path)).toMatchObject({
    status,
    ...(status === 'error'
      ? { reason: { step: '1', message: expect.stringContaining('failed to COPY .') } }
      : {}),
  });
  expect(await running()).toBe(0);
  await ask('DELETE', at);
});

test('files must be uploaded and used within an hour, and are then kept as long as the template', async () => {
  const later = () => e2b.admin('POST', '/clock', { advanceMs: 3_600_001 });
  const files = tarOf([{ name: 'a', text: 'a' }]);
  const present = async (at: string) => (await ask('GET', `${at}/files/abc`)).body.present;
  const stored = () => existsSync(join(folder, 'state/uploads/abc'));
  const unused = await prepared('unused', files);
  expect(await present(unused.at)).toBe(true);
  await later();
  await expect.poll(stored).toBe(false);
  expect(await present(unused.at)).toBe(false);
  expect((await fetch(unused.link.url ?? '', { method: 'PUT', body: files })).status).toBe(404);

  const used = await prepared('used', files);
  await ask('POST', used.start, { steps: [{ type: 'COPY', args: ['a', '/opt/a'], filesHash: 'abc' }] });
  expect(await ended(used.status)).toMatchObject({ status: 'ready' });
  await later();
  expect(await present(used.at)).toBe(true);
  expect((await ask('DELETE', used.at)).status).toBe(204);
  expect(stored()).toBe(false);
});

test('files that are too large, or have no declared size, are refused before the upload', async () => {
  const { link } = await prepared('large');
  const put = (headers: Record<string, string>) =>
    new Promise((resolve, reject) => {
      const outgoing = request(link.url ?? '', { method: 'PUT', headers }, ({ statusCode }) => {
        resolve(statusCode);
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      outgoing.flushHeaders();
    });
  expect(await put({ 'content-length': String(1024 ** 3 + 1) })).toBe(413);
  expect(await put({ 'transfer-encoding': 'chunked' })).toBe(411);
});
