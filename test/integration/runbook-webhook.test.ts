// Every refusal of the webhook server, sent over a real connection, and the command of its entry in docs/runbook.md.
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRunbook, type Runbook } from '../runbook.ts';
import { eventBody, newSigningKey, signed } from '../src/signed-delivery.ts';
import { testApp } from '../src/webhook-app.ts';

const BODY = eventBody('session.status_run_started', 'whe_1');

let runbook: Runbook;
let broken = false;
let temporalReady = true;
const keys: string[] = [newSigningKey()];
const { app, shutdown } = testApp({
  keys: {
    current: async () => {
      if (broken) throw new Error('a fault of ours');
      return keys;
    },
  },
  temporalReady: async () => temporalReady,
});
let WEBHOOK: string;
beforeAll(async () => {
  runbook = await openRunbook();
  WEBHOOK = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  await runbook.close();
});

const entry = (anchor: string) => runbook.expectEntry(anchor, { WEBHOOK });
/** @returns the status, and the code that the entry is named after */
async function deliver(headers: Record<string, string>, body: string | Buffer, path = '/webhook') {
  const answer = await fetch(`${WEBHOOK}${path}`, { method: 'POST', headers, body: body as string });
  const { error } = (await answer.json()) as { error: { code: string } };
  return `${answer.status} ${error.code}`;
}
const withKey = (body: string, more: Record<string, string> = {}, id = 'whe_1') =>
  deliver({ ...signed(keys[0] as string, body, { id }).headers, ...more }, body);

it('bad requests', async () => {
  const stranger = signed(newSigningKey(), BODY);
  expect(await deliver(stranger.headers, BODY)).toBe('401 bad_signature');
  await entry('bad_signature');
  expect(await withKey('no json')).toBe('400 invalid_json');
  await entry('invalid_json');
  expect(await withKey('{"type":"other"}')).toBe('400 invalid_event');
  await entry('invalid_event');
  expect(await withKey(BODY, {}, 'whe_2')).toBe('400 id_mismatch');
  await entry('id_mismatch');
  const socket = connect(Number(new URL(WEBHOOK).port), '127.0.0.1');
  const head =
    'POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n';
  socket.write(`${head}{`, () => setTimeout(() => socket.destroy(), 50));
  await entry('bad_request');
  expect(await withKey('x'.repeat(1024 * 1024 + 1))).toBe('413 too_large');
  await entry('too_large');
  expect(await withKey(BODY, { 'content-type': 'text/plain' })).toBe('415 unsupported_media_type');
  await entry('unsupported_media_type');
  expect(await withKey(BODY, { 'content-encoding': 'gzip' })).toBe('415 unsupported_encoding');
  await entry('unsupported_encoding');
  expect(await deliver({}, BODY, '/')).toBe('404 not_found');
  await entry('not_found');
});

it('states of the server', async () => {
  broken = true;
  expect(await withKey(BODY)).toBe('500 internal');
  broken = false;
  await entry('internal');
  const [key] = keys.splice(0);
  expect(await deliver(signed(key as string, BODY).headers, BODY)).toBe('503 no_signing_key');
  await entry('no_signing_key');
  keys.push(key as string);
  temporalReady = false;
  await entry('temporal_unavailable');
  shutdown.abort();
  expect(await withKey(BODY)).toBe('503 shutting_down');
  await entry('shutting_down');
});
