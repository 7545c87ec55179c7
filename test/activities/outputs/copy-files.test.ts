// Files of a sandbox that lies about them, copied to a directory.
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { copyFiles } from '../../../activities/outputs/copy-files.ts';
import { progressOf } from '../../../activities/outputs/progress.ts';
import { Toolhost } from '../../../src/clients/toolhost.ts';
import { DirectoryStore } from '../../../src/outputs/directory.ts';
import { activityContext } from '../deps.ts';

let folder: string;
let server: Server;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-files-'));
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function copy(names: string[], answer: RequestListener, limits = { bytes: 10, atOnce: 3 }) {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = new DirectoryStore({ kind: 'directory', path: folder });
  const progress = progressOf(null);
  const toolhost = async () => new Toolhost({ origin, headers: {} });
  const job = { toolhost, store, sessionId: 's', prefix: 'e/s', progress };
  await activityContext().run(() => copyFiles(job, names, limits));
  const kept = await readdir(join(folder, 'e/s')).catch(() => []);
  return { progress, kept: kept.sort() };
}

it('counts bytes as they are stored, of answers that do not announce any', async () => {
  const { progress, kept } = await copy(
    ['a', 'b', 'c', 'd'],
    (_request, response) => {
      response.write('four');
      response.end();
    },
    { bytes: 10, atOnce: 1 },
  );
  expect(kept).toEqual(['a', 'b']);
  expect(progress).toMatchObject({ files: 2, bytes: 8, after: 'd' });
  expect(progress.problems).toEqual([
    expect.stringMatching(/^c: beyond the .* GiB that are copied of a session$/),
    expect.stringMatching(/^d: /),
  ]);
  expect(await readdir(join(folder, '.partial'))).toEqual([]);
});

it('does not begin with a file that is announced as too large', async () => {
  const { progress, kept } = await copy(['a'], (_request, response) => {
    response.writeHead(200, { 'content-length': 11 });
    response.write('x');
  });
  expect(kept).toEqual([]);
  expect(progress.problems).toHaveLength(1);
});

it('copies several at a time, and remembers the last name up to which all are done', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `f${String(index).padStart(2, '0')}`);
  let open = 0;
  let most = 0;
  const { progress, kept } = await copy(
    names,
    (request, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end(new URL(request.url ?? '', 'http://x').searchParams.get('path'));
      }, 20);
    },
    { bytes: 1_000, atOnce: 3 },
  );
  expect(most).toBe(3);
  expect(kept).toEqual(names);
  expect(await readFile(join(folder, 'e/s/f07'), 'utf8')).toBe('f07');
  expect(progress).toMatchObject({ after: 'f29', files: 30 });
});

it('a file that breaks off leaves nothing, and is tried again', async () => {
  await expect(
    copy(['a'], (_request, response) => {
      response.writeHead(200, { 'content-length': 9 });
      response.write('half', () => response.destroy());
    }),
  ).rejects.toMatchObject({ name: 'SandboxHttpError' });
  expect(await readdir(join(folder, '.partial'))).toEqual([]);
});
