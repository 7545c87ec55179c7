// The codec server, as Temporal's UI and command line use it, and what it refuses.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCodecServer } from '../../../src/codec-server/server.ts';
import { readToken } from '../../../src/codec-server/token.ts';
import { EncryptionCodec } from '../../../src/payload-codec/encryption-codec.ts';
import { KeyRing } from '../../../src/payload-codec/key-ring.ts';
import { recordedLog } from '../recorded-log.ts';

const TOKEN = 'a-token-of-the-codec-server';
const UI = 'http://127.0.0.1:8233';
const BEARER = `Bearer ${TOKEN}`;

let folder: string;
let codec: EncryptionCodec;
let app: FastifyInstance;
const { log, lines } = recordedLog();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'codec-server-'));
  writeFileSync(join(folder, 'one.key'), randomBytes(32).toString('base64'));
  codec = new EncryptionCodec(new KeyRing(folder), 'one');
  app = await createCodecServer({ codec, token: TOKEN, uiOrigin: `${UI}/`, log });
});
afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

const base64 = (text: string | Uint8Array | null | undefined) => Buffer.from(text ?? '').toString('base64');
const asJson = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([key, value]) => [key, base64(value)])),
  data: base64(data),
});
const post = (url: string, payload: unknown, headers: Record<string, string> = { authorization: BEARER }) =>
  app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });

async function encrypted(value: unknown) {
  return (await codec.encode([defaultPayloadConverter.toPayload(value) as Payload])).map(asJson);
}

it('decodes encrypted payloads, and leaves those in clear text as they are', async () => {
  const clear = { metadata: { encoding: base64('json/plain') }, data: base64('"clear"') };
  const { statusCode, body } = await post('/decode', { payloads: [...(await encrypted('hidden')), clear] });
  expect(statusCode).toBe(200);
  expect(JSON.parse(body)).toEqual({ payloads: [{ ...clear, data: base64('"hidden"') }, clear] });
});

it('encodes what the UI sends', async () => {
  const clear = { metadata: { encoding: base64('json/plain') }, data: base64('"clear"') };
  const encoded = (await post('/encode', { payloads: [clear] })).json();
  expect(encoded.payloads[0].metadata.encoding).toBe(base64('binary/encrypted'));
  expect((await post('/decode', encoded)).json()).toEqual({ payloads: [clear] });
});

it.each([
  ['no token', {}],
  ['a wrong token', { authorization: 'Bearer another-token-of-some-server' }],
  ['the beginning of the token', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
  ['a wrong password', { authorization: `Basic ${base64('user:wrong')}` }],
  ['another scheme', { authorization: `Digest ${TOKEN}` }],
  ['no scheme', { authorization: TOKEN }],
])('%s is refused, and nothing is decoded', async (_what, headers) => {
  const {
    statusCode,
    headers: answer,
    body,
  } = await post('/decode', { payloads: await encrypted('x') }, headers);
  expect(statusCode).toBe(401);
  expect(answer['www-authenticate']).toContain('Basic');
  expect(body).not.toContain('payloads');
});

it('the token is also accepted as password of basic authentication, with any name', async () => {
  const headers = { authorization: `Basic ${base64(`anyone:${TOKEN}`)}` };
  expect((await post('/decode', { payloads: [] }, headers)).statusCode).toBe(200);
  expect((await app.inject({ url: '/login', headers })).statusCode).toBe(200);
  expect((await app.inject({ url: '/login' })).statusCode).toBe(401);
});

it('pages of the UI may use it, other pages may not', async () => {
  const preflight = (origin: string) =>
    app.inject({
      method: 'OPTIONS',
      url: '/decode',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-namespace',
      },
    });
  const { headers, statusCode } = await preflight(UI);
  expect(statusCode).toBe(204);
  expect(headers).toMatchObject({
    'access-control-allow-origin': UI,
    'access-control-allow-credentials': 'true',
    'access-control-allow-headers': 'authorization, content-type, x-namespace',
  });
  // The answer always names the UI's origin: the browser compares it with that of the page.
  expect((await preflight('http://evil.example')).headers['access-control-allow-origin']).toBe(UI);
});

it.each([
  ['no JSON', 'x'],
  ['no payloads', {}],
  ['payloads of another shape', { payloads: [{ data: 5 }] }],
  ['bytes that are not base64', { payloads: [{ data: '%%%' }] }],
  ['too many payloads', { payloads: Array(10_001).fill({}) }],
])('a body with %s gets 400', async (_what, body) => {
  expect((await post('/decode', body)).statusCode).toBe(400);
});

it('a body that is too large gets 413', async () => {
  expect((await post('/decode', `{"payloads":"${'x'.repeat(9 * 1024 * 1024)}"}`)).statusCode).toBe(413);
});

it('a payload whose key is not there is refused with the name of the key, and logged', async () => {
  const [payload] = await encrypted('x');
  const other = { ...payload, metadata: { ...payload?.metadata, 'encryption-key-id': base64('lost') } };
  const { statusCode, body } = await post('/decode', { payloads: [other] });
  expect([statusCode, body]).toEqual([400, expect.stringContaining('no key lost.key')]);
  expect(JSON.stringify(lines())).toContain('no key lost.key');
});

it('answers health without a token, and no other address', async () => {
  expect((await app.inject({ url: '/health' })).statusCode).toBe(200);
  expect((await app.inject({ url: '/' })).statusCode).toBe(404);
});

it.each(['', 'short', 'two words of a long token', 'x'.repeat(5_000)])(
  'a token file with %j is refused',
  (content) => {
    const file = join(folder, 'token');
    writeFileSync(file, content);
    expect(() => readToken(file)).toThrow(`CODEC_SERVER_TOKEN_FILE: ${file} must hold one word`);
  },
);
