// The stores for outputs: a directory, and S3-compatible storage, played by a server that records the requests.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOutputStore } from '../../src/outputs/open-store.ts';

const never = new AbortController().signal;
const content = (...chunks: (string | Uint8Array)[]) =>
  Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
const breaking = (text: string) =>
  Readable.from(
    (async function* () {
      yield Buffer.from(text);
      throw new Error('cut off');
    })(),
  );

describe('a directory', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outputs-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const store = () => openOutputStore({ kind: 'directory', path: join(folder, 'made') });
  const held = (key: string) => readFile(join(folder, 'made', key), 'utf8');

  it('stores files, empty ones too, and stores them again', async () => {
    await store().put('env_1/sesn_1/a/b c.txt', content('one ', 'two'), never);
    await store().put('env_1/sesn_1/empty', content(), never);
    await store().put('env_1/sesn_1/a/b c.txt', content('three'), never);
    expect(await held('env_1/sesn_1/a/b c.txt')).toBe('three');
    expect(await held('env_1/sesn_1/empty')).toBe('');
  });

  it('keeps the old content, and no partial file, if a copy breaks off or is aborted', async () => {
    await store().put('env_1/sesn_1/a', content('whole'), never);
    await expect(store().put('env_1/sesn_1/a', breaking('half'), never)).rejects.toThrow('cut off');
    await expect(store().put('env_1/sesn_1/a', content('late'), AbortSignal.abort())).rejects.toThrow();
    expect(await held('env_1/sesn_1/a')).toBe('whole');
    expect(await readdir(join(folder, 'made/.partial'))).toEqual([]);
  });
});

describe('a bucket', () => {
  interface Seen {
    method: string;
    path: string;
    query: URLSearchParams;
    headers: IncomingMessage['headers'];
    body: Buffer;
  }
  let server: Server;
  let seen: Seen[];
  let refuse: number | undefined;
  beforeEach(async () => {
    seen = [];
    refuse = undefined;
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://any');
      const { method = '', headers } = request;
      seen.push({ method, path: pathname, query: searchParams, headers, body: Buffer.concat(chunks) });
      if (refuse) {
        response.writeHead(refuse, { 'content-type': 'application/xml' });
        return response.end('<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>');
      }
      response.setHeader('etag', `"${seen.length}"`);
      if (searchParams.has('uploads'))
        return response.end(
          '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>',
        );
      if (method === 'POST')
        return response.end(
          '<CompleteMultipartUploadResult><ETag>"all"</ETag></CompleteMultipartUploadResult>',
        );
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const store = (prefix = 'agents/all') =>
    openOutputStore({
      kind: 's3',
      bucket: 'my-bucket',
      prefix,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a-secret-key' },
    });

  it('stores a small file under the prefix with one signed request', async () => {
    await store().put('env_1/sesn_1/a/b c.txt', content('one ', 'two'), never);
    await store('').put('env_1/sesn_1/empty', content(), never);
    expect(seen.map(({ method, path, body }) => [method, path, body.toString()])).toEqual([
      ['PUT', '/my-bucket/agents/all/env_1/sesn_1/a/b%20c.txt', 'one two'],
      ['PUT', '/my-bucket/env_1/sesn_1/empty', ''],
    ]);
    expect(seen[0]?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/s3\/aws4_request, SignedHeaders=\S+, Signature=[0-9a-f]{64}$/,
    );
    expect(JSON.stringify(seen.map(({ headers }) => headers))).not.toContain('a-secret-key');
  });

  it('stores a large file in parts', async () => {
    const part = Buffer.alloc(4 * 1024 * 1024, 'x');
    await store().put('env_1/sesn_1/large', content(part, part, part), never);
    const puts = seen.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ query }) => query.get('partNumber')).sort()).toEqual(['1', '2', '3']);
    expect(puts.reduce((sum, { body }) => sum + body.length, 0)).toBe(3 * part.length);
    expect(seen.at(-1)).toMatchObject({ method: 'POST', body: expect.anything() });
  });

  it('stores nothing if a copy breaks off', async () => {
    await expect(store().put('env_1/sesn_1/a', breaking('half'), never)).rejects.toThrow('cut off');
    await expect(store().put('env_1/sesn_1/a', content('late'), AbortSignal.abort())).rejects.toThrow();
    expect(seen.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  it('reports why the storage refused, without credentials', async () => {
    refuse = 403;
    const refusal = store().put('env_1/sesn_1/a', content('x'), never);
    await expect(refusal).rejects.toThrow('not for you');
    expect(String(await refusal.catch((error) => error))).not.toContain('a-secret-key');
    expect(store().target).toBe('s3://my-bucket/agents/all');
  });
});
